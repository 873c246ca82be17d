"""Commands that are imported when they are called, so that ``wsiseg --help`` starts quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from wsiseg.cli.option_names import name_options, set_option_names

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
"""Settings of the context of every command."""


@dataclass(frozen=True)
class LazyCommand:
    """A command that is not imported yet.

    Attributes
    ----------
    place : str
        ``module:attribute`` of its function, or of the :class:`typer.Typer` of its subcommands.
    help : str
        Help text.
    example : str or None
        Shown below its options.
    """

    place: str
    help: str
    example: str | None = None

    def load(self, name: str) -> Any:
        """Import the command, and return it as a typer command or group."""
        found = EntryPoint(name, self.place, "wsiseg.cli").load()
        if isinstance(found, typer.Typer):
            group = get_group(found)
            for each in (group, *group.commands.values()):
                _show_flags_without_value(each)
            _register_options(*group.commands.values())
            return group
        alone = typer.Typer(
            add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich"
        )
        epilog = None if self.example is None else f"Example: {self.example}"
        alone.command(name, help=self.help, epilog=epilog)(found)
        command = get_command(alone)
        _show_flags_without_value(command)
        _register_options(command)
        return command


def _show_flags_without_value(command: Any) -> None:
    """Take the placeholder of a value from the flags of a command in ``--help``, its own too."""
    with typer.Context(command, **HELP_OPTIONS) as context:
        _hide_placeholders(command.get_params(context))


def _hide_placeholders(options: list[Any]) -> None:
    for option in options:
        if getattr(option, "is_flag", False):
            option.metavar = ""


def _register_options(*commands: Any) -> None:
    """Register the option names of commands, for messages and help texts."""
    options = [each for command in commands for each in command.params if each.opts]
    set_option_names(
        {each.name: max(each.opts, key=len) for each in options if "-" in each.opts[0]}
    )
    for each in options:
        if getattr(each, "help", None):
            each.help = name_options(each.help)


def lazy_group(table: Mapping[str, LazyCommand]) -> type[TyperGroup]:
    """Return a group of commands that imports none of them to list them.

    Parameters
    ----------
    table : mapping of str to LazyCommand
        The commands by name, in the order in which ``--help`` lists them.
    """

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for name, entry in table.items():
                self.add_command(TyperCommand(name, help=entry.help), name)

        def get_params(self, ctx: Any) -> list[Any]:
            options = super().get_params(ctx)
            _hide_placeholders(options)
            return options

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, command, rest = super().resolve_command(ctx, args)
            if name is not None:
                command = table[name].load(name)
            return name, command, rest

    return LazyGroup

"""Commands that are imported when they are called, so that ``wsiseg --help`` starts quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.main import get_command, get_group

from wsiseg.cli.option_names import name_options, set_option_names

HELP_OPTIONS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
"""Settings of the context of every command."""

_OUTPUT, _ERRORS = "Output", "Errors and resuming"
_PANELS = {"output": _OUTPUT, "overwrite": _ERRORS, "resume": _ERRORS, "debug": _ERRORS}
"""Headings in ``--help`` of options that several commands declare by themselves."""


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
                _arrange_help(each)
            _register_options(*group.commands.values())
            return group
        alone = typer.Typer(
            add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich"
        )
        epilog = None if self.example is None else f"Example: {self.example}"
        alone.command(name, help=self.help, epilog=epilog)(found)
        command = get_command(alone)
        _arrange_help(command)
        _register_options(command)
        return command


def _arrange_help(command: Any) -> None:
    """Put what every command has under the same headings in ``--help``, without types of Python."""
    with typer.Context(command, **HELP_OPTIONS) as context:
        parameters = command.get_params(context)
    _hide_types(parameters)
    for each in parameters:
        if getattr(each, "rich_help_panel", None) is None and each.name in _PANELS:
            each.rich_help_panel = _PANELS[each.name]


def _hide_types(parameters: list[Any]) -> None:
    """Take the placeholder from flags, which take no value, and the type from arguments."""
    for each in parameters:
        if getattr(each, "is_flag", False):
            each.metavar = ""
        elif isinstance(each, TyperArgument):
            each.display_type_rich = _no_type  # type: ignore[method-assign]


def _no_type(ctx: Any) -> None:
    return None


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
            _hide_types(options)
            return options

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, command, rest = super().resolve_command(ctx, args)
            if name is not None:
                command = table[name].load(name)
            return name, command, rest

    return LazyGroup

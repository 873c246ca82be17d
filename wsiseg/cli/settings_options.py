"""Makes the options of commands from the settings that jobs declare."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from wsiseg.settings import Option, Settings

Command = Callable[..., None]


def options_from(
    *models: type[Settings], without: tuple[str, ...] = ()
) -> Callable[[Command], Command]:
    """Return a decorator that adds an option for each setting to a command.

    The command's parameter `chosen` is a mapping of what the user typed, by the names of the
    settings; :meth:`Settings.select` checks it.

    Parameters
    ----------
    *models
        Models of settings; an option that several of them have is added once.
    without : tuple of str
        Settings that the command does not take.
    """

    def decorate(command: Command) -> Command:
        own = list(inspect.signature(command, eval_str=True).parameters.values())
        place = next(number for number, each in enumerate(own) if each.name == "chosen")
        options: dict[str, inspect.Parameter] = {}
        for model in models:
            further = (each for each in _parameters(model) if each.name not in options)
            options |= {each.name: each for each in list(further)}
        options = {name: option for name, option in options.items() if name not in without}

        @wraps(command)
        def run(**values: Any) -> None:
            typed = {
                name: values.pop(name)
                for name, option in options.items()
                if values[name] != option.default
            }
            rest = {
                parameter.name: values[parameter.name]
                for parameter in own
                if parameter.name != "chosen"
            }
            command(chosen=typed, **rest)

        parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in (*own[:place], *options.values(), *own[place + 1 :])
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def _parameters(model: type[Settings]) -> Iterator[inspect.Parameter]:
    for name, field in model.model_fields.items():
        declared = next((each for each in field.metadata if isinstance(each, Option)), Option())
        if declared.shown:
            yield _parameter(name, field, declared)


def _parameter(name: str, field: FieldInfo, declared: Option) -> inspect.Parameter:
    """Return one option as a parameter that typer reads."""
    kind, choices = _plain_type(field.annotation)
    default = field.get_default(call_default_factory=True)
    if declared.default is not None:
        # A size, say, which the model reads from text.
        kind, default = str, declared.default
    if default in ({}, False):
        default = None
    names = declared.names or (f"--{name.replace('_', '-')}",)
    if default is True:
        names = (f"{names[0]}/--no-{names[0].removeprefix('--')}",)
    info = typer.Option(
        *names,
        help=field.description,
        # A flag takes no value.
        metavar=declared.metavar or ("" if kind is bool else "|".join(choices) or None),
        rich_help_panel=declared.panel,
        show_default=default not in (None, True),
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind if default is not None else kind | None, info],
    )


def _plain_type(annotation: Any) -> tuple[Any, tuple[str, ...]]:
    """Return what typer is to parse, and the choices if there are some.

    Choices stay text here: pydantic refuses others, in the words that Python users read, too.
    """
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = (part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Annotated:
        annotation, *metadata = get_args(annotation)
        if any(isinstance(each, BeforeValidator) for each in metadata):
            # The model reads it from text: a length with its unit, say.
            return str, ()
    if get_origin(annotation) is Literal:
        return str, tuple(map(str, get_args(annotation)))
    if get_origin(annotation) is dict:
        return list[str], ()
    return (annotation if annotation in (bool, int, float, Path) else str), ()

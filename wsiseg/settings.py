"""Settings of jobs, declared once: name, type, default, bounds and help text.

A job's settings are a pydantic model.  The Python keywords of the job, the options of its command
and the table in the docs are made from that model.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from wsiseg.errors import ArgumentError

_Job = TypeVar("_Job", bound=Callable[..., object])


@dataclass(frozen=True)
class Option:
    """How a setting looks on the command line; annotates a field of :class:`Settings`.

    Attributes
    ----------
    panel : str or None
        Heading in ``--help``.
    names : tuple of str
        Option names, where they are not made from the field's: ``("-b", "--batch")``.
    metavar : str or None
        Placeholder of the value in ``--help``.
    default : str or None
        Text for the default in ``--help``, where its value says little.
    shown : bool
        Whether the command has the option.
    """

    panel: str | None = None
    names: tuple[str, ...] = ()
    metavar: str | None = None
    default: str | None = None
    shown: bool = True


class Settings(BaseModel):
    """Base of the settings of all jobs: frozen, checked, without unknown names.

    Paths and sizes may be given as text.

    Raises
    ------
    ArgumentError
        For the first unknown name or wrong value.

    Examples
    --------
    >>> class Oven(Settings):
    ...     degrees: int = 200
    >>> Oven(degrees="180").degrees
    180
    >>> Oven(degree=180)
    Traceback (most recent call last):
    ...
    wsiseg.errors.ArgumentError: there is no setting 'degree'. Did you mean degrees?
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    if not TYPE_CHECKING:  # for type checkers, each model has keywords of its own

        def __init__(self, **values: object) -> None:
            _refuse_unknown(type(self), values)
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise _translate(error.errors()[0]) from error

    @classmethod
    def select(cls, values: Mapping[str, object]) -> Self:
        """Return these settings from `values`, which may hold those of other models, too."""
        return cls(**{name: value for name, value in values.items() if name in cls.model_fields})

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some settings changed, validated again."""
        return type(self)(**{**dict(self), **changes})


def keywords_from(
    settings: type[Settings], without: tuple[str, ...] = ()
) -> Callable[[_Job], _Job]:
    """Return a decorator that adds a job's settings to its signature.

    The job takes them as ``**options``; ``inspect.signature`` then lists each with its type and
    default, as :func:`help` and editors do.

    Parameters
    ----------
    settings : type
        The model whose fields are the keywords.
    without : tuple of str
        Fields that the job takes by parameters of its own.
    """

    def decorate(job: _Job) -> _Job:
        signature = inspect.signature(job)
        named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        types = get_type_hints(settings)  # without the bounds, which are unreadable in a signature
        shown = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty
                if field.is_required()
                else field.get_default(call_default_factory=True),
                annotation=types[name],
            )
            for name, field in settings.model_fields.items()
            if name not in without
        ]
        job.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*named, *shown]
        )
        return job

    return decorate


def _refuse_unknown(settings: type[Settings], values: Mapping[str, object]) -> None:
    known = settings.model_fields.keys()
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(known))}."
            raise ArgumentError(f"there is no setting {name!r}", None, hint)


def _translate(error: ErrorDetails) -> ArgumentError:
    """Turn an error of pydantic into one of ours."""
    names = [str(part) for part in error["loc"] if isinstance(part, str)]
    where = f"`{names[0]}`" if names else None
    value, bounds = error["input"], error.get("ctx", {})
    match error["type"]:
        case "literal_error":
            return ArgumentError(
                f"{value!r} is not one of the choices", where, f"Use {bounds['expected']}."
            )
        case "greater_than_equal":
            return ArgumentError(f"{value} is too small", where, f"At least {bounds['ge']}.")
        case "greater_than":
            return ArgumentError(f"{value} is too small", where, f"More than {bounds['gt']}.")
        case "less_than_equal":
            return ArgumentError(f"{value} is too large", where, f"At most {bounds['le']}.")
        case "less_than":
            return ArgumentError(f"{value} is too large", where, f"Less than {bounds['lt']}.")
        case "float_parsing" | "int_parsing" | "float_type" | "int_type" | "int_from_float":
            kind = "a number" if error["type"].startswith("float") else "a whole number"
            return ArgumentError(f"{value!r} is not {kind}", where)
        case "too_short":
            return ArgumentError("nothing is named", where, "Name one, or leave it out.")
        case "value_error":
            reason = bounds["error"]
            if isinstance(reason, ArgumentError):
                # What reads a value does not know whose it is.
                return ArgumentError(reason.what, reason.where or where, reason.hint)
            return ArgumentError(str(reason), where)
        case _:
            message = error["msg"]
            return ArgumentError(f"{value!r}: {message[0].lower()}{message[1:]}", where)


def split_pairs(texts: Iterable[str]) -> dict[str, str]:
    """Split ``KEY=VALUE`` texts into a dictionary.

    Raises
    ------
    ArgumentError
        For a text without ``=``.

    Examples
    --------
    >>> split_pairs(["alpha2=2", "alpha3=8"])
    {'alpha2': '2', 'alpha3': '8'}
    """
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ArgumentError(f"{text!r} is not of the form KEY=VALUE", "`arguments`")
        pairs[key.strip()] = value.strip()
    return pairs

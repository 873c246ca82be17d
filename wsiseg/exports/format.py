"""What an export is: a format to which masks are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.mask import Mask
from wsiseg.settings import Option, Settings

MASK_PANEL = "What is exported"


def split_names(given: object) -> object:
    """Return the names in a text, which commas separate; anything else as it is."""
    if not isinstance(given, str):
        return given
    return tuple(name.strip() for name in given.split(",") if name.strip())


class ExportOptions(Settings):
    """Settings of all exports."""

    classes: Annotated[
        Annotated[tuple[str, ...], Field(min_length=1)] | None,
        BeforeValidator(split_names),
        Field(description="Names of the classes to export; all if left out."),
        Option(MASK_PANEL, metavar="NAME,NAME"),
    ] = None


@dataclass(frozen=True)
class Written:
    """What an export has written, beside the file.

    Attributes
    ----------
    features : int or None
        How many objects, where the format has some.
    warnings : tuple of str
        What was left out or assumed.
    """

    features: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportFormat:
    """A format to which masks are exported.

    Attributes
    ----------
    title : str
        What the format is, for help texts.
    suffixes : tuple of str
        Endings of its files, the usual one first.
    options : type
        The model of its settings.
    write : callable
        Called with the mask, the file, these settings, and a function that takes the share that is
        done and may raise to cancel.  The file appears complete or not at all, see
        :func:`wsiseg.store.disk.replace_when_complete`; an existing one is replaced.
    """

    title: str
    suffixes: tuple[str, ...]
    options: type[ExportOptions]
    write: Callable[[Mask, Path, Any, ProgressCallback], Written]

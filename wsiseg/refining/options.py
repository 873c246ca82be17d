"""The settings of post-processing; each is declared here once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field

from wsiseg.errors import ArgumentError
from wsiseg.quantities import Area, Length, parse_area
from wsiseg.settings import Option, Settings

_PANEL = "Post-processing"

EVERY_CLASS = "*"
"""Stands for the name of a class where a setting holds for all of them."""


def _by_class(
    given: object, read: Callable[[object], float], example: str, *, named: bool = False
) -> object:
    """Return values of classes, as users write them, as a dictionary of names and numbers."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        pairs = [(str(name), value) for name, value in given.items()]
    else:
        pairs = list(map(_split, given if isinstance(given, list | tuple) else [given]))
    found: dict[str, float] = {}
    for name, value in pairs:
        if not name or (named and name == EVERY_CLASS):
            raise ArgumentError("a value names no class", None, f"Write it like {example}.")
        if name in found:
            whose = "all classes" if name == EVERY_CLASS else repr(name)
            raise ArgumentError(f"there are two values for {whose}", None, "Give one of them.")
        found[name] = read(value)
    return found or None


def _split(given: object) -> tuple[str, object]:
    """Return the name of a class and its value; names may hold ``=``, too."""
    if not isinstance(given, str):
        return EVERY_CLASS, given
    name, equals, value = given.rpartition("=")
    return (name.strip() if equals else EVERY_CLASS), value.strip()


def _areas(given: object) -> object:
    def read(value: object) -> float:
        area = _number(parse_area(value) if isinstance(value, str) else value)
        if not 0 < area < math.inf:
            raise ArgumentError(f"{value} is not an area to fill", None, "Give more than 0.")
        return area

    return _by_class(given, read, "50um2 or tumour=50um2")


def _probabilities(given: object) -> object:
    def read(value: object) -> float:
        least = _number(value)
        if not 0 < least <= 1:
            raise ArgumentError(
                f"{value} is not a probability", None, "Give more than 0, 1 at most."
            )
        return least

    return _by_class(given, read, "tumour=0.7", named=True)


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{value!r} is not a number") from error


class RefineOptions(Settings):
    """Settings of :func:`wsiseg.refine`, in the order in which they are applied.

    Raises
    ------
    ArgumentError
        For an unknown setting, or a value out of bounds.

    Examples
    --------
    >>> options = RefineOptions(fill_holes="50um2", threshold={"tumour": 0.7})
    >>> options.fill_holes, options.threshold, options.min_area
    ({'*': 50.0}, {'tumour': 0.7}, None)
    """

    threshold: Annotated[
        dict[str, float] | None,
        BeforeValidator(_probabilities),
        Field(
            description="Give a pixel this class if its probability is P or more, and only then. "
            "May be repeated.",
        ),
        Option(_PANEL, metavar="NAME=P"),
    ] = None
    smooth: Annotated[
        Length | None,
        Field(
            description="Give each pixel the most frequent class within this radius, for example "
            "2um."
        ),
        Option(_PANEL, metavar="LENGTH"),
    ] = None
    fill_holes: Annotated[
        dict[str, float] | None,
        BeforeValidator(_areas),
        Field(
            description="Fill holes smaller than this, for example 50um2. A hole is an area "
            "enclosed by a class that comes later in the list of classes; with NAME=, any area "
            "enclosed by that class. May be repeated.",
        ),
        Option(_PANEL, metavar="[NAME=]AREA"),
    ] = None
    min_area: Annotated[
        Area | None,
        Field(
            description="Give connected areas smaller than this, for example 20um2, to the class "
            "around them."
        ),
        Option(_PANEL, metavar="AREA"),
    ] = None

    @property
    def refining(self) -> dict[str, object]:
        """Those that are given, as plain values."""
        values = {name: getattr(self, name) for name in RefineOptions.model_fields}
        return {name: value for name, value in values.items() if value is not None}

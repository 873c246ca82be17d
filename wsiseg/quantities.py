"""Lengths and areas with their units, as users write them: ``2um``, ``50um2``, ``0.1mm2``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from wsiseg.errors import ArgumentError

_MICROMETRES = {"nm": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "mm": 1e3, "cm": 1e4}
_NUMBER = r"\s*(\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+)\s*"


def parse_length(text: str) -> float:
    """Return a length in µm.

    Parameters
    ----------
    text : str
        A number with nm, um (or µm), mm or cm.

    Raises
    ------
    ArgumentError
        If it is not a length.

    Examples
    --------
    >>> parse_length("250um"), parse_length("1.5 mm")
    (250.0, 1500.0)
    """
    matched = re.fullmatch(_NUMBER + r"(\D{2})\s*", text)
    if not matched or matched[2] not in _MICROMETRES:
        raise ArgumentError(f"{text!r} is not a length", None, "Write it like 2um or 0.25mm.")
    return float(matched[1]) * _MICROMETRES[matched[2]]


def parse_area(text: str) -> float:
    """Return an area in µm².

    Parameters
    ----------
    text : str
        A number with nm2, um2 (or µm²), mm2 or cm2.

    Raises
    ------
    ArgumentError
        If it is not an area.

    Examples
    --------
    >>> parse_area("50um2"), parse_area("0.5 mm²")
    (50.0, 500000.0)
    """
    matched = re.fullmatch(_NUMBER + r"(\D{2}?)(2|²|\^2)\s*", text)
    if not matched or matched[2] not in _MICROMETRES:
        raise ArgumentError(f"{text!r} is not an area", None, "Write it like 50um2 or 0.1mm2.")
    return float(matched[1]) * _MICROMETRES[matched[2]] ** 2


def square_millimetres(pixels: int, mpp: float | None) -> float | None:
    """Return an area in mm², or None if the resolution is unknown.

    Parameters
    ----------
    pixels : int
        Number of pixels.
    mpp : float or None
        µm per pixel.

    Examples
    --------
    >>> square_millimetres(4_000_000, 0.5)
    1.0
    """
    return None if mpp is None else round(pixels * mpp**2 / 1e6, 6)


def _length(given: object) -> object:
    return parse_length(given) if isinstance(given, str) else given


def _area(given: object) -> object:
    return parse_area(given) if isinstance(given, str) else given


Length = Annotated[float, BeforeValidator(_length), Field(gt=0, allow_inf_nan=False)]
"""A setting in µm, which is given as a number or as text with a unit."""

Area = Annotated[float, BeforeValidator(_area), Field(gt=0, allow_inf_nan=False)]
"""A setting in µm², which is given as a number or as text with a unit."""

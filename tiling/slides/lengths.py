"""Lengths as files write them: numbers with a point or a comma, units by symbol or by name."""

from __future__ import annotations

import math
import re

_SYMBOLS = {
    "km": 1e9,
    "m": 1e6,
    "dm": 1e5,
    "cm": 1e4,
    "mm": 1e3,
    "µm": 1.0,
    "um": 1.0,
    "µ": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "fm": 1e-9,
    "Å": 1e-4,
    "thou": 25.4,
    "mil": 25.4,
    "in": 25400.0,
    "ft": 304800.0,
    "yd": 914400.0,
    "pt": 25400.0 / 72,
}
"""µm by the symbols of OME's UnitsLength that a microscope may use; *pixel* means nothing."""

_NAMES = {
    "kilometer": 1e9,
    "meter": 1e6,
    "decimeter": 1e5,
    "centimeter": 1e4,
    "millimeter": 1e3,
    "micrometer": 1.0,
    "micron": 1.0,
    "nanometer": 1e-3,
    "picometer": 1e-6,
    "femtometer": 1e-9,
    "angstrom": 1e-4,
    "inch": 25400.0,
    "foot": 304800.0,
    "yard": 914400.0,
}
"""µm by name, as NGFF and ImageJ write them."""

_NUMBER = re.compile(r"[+-]?(?:\d[\d.,]*|[.,]\d+)(?:[eE][+-]?\d+)?")
# The Greek letter, as UTF-8 that was taken for Latin-1, and as ImageJ escapes it.
_MU = (("μ", "µ"), ("Âµ", "µ"), ("Î¼", "µ"), ("\\u00B5", "µ"), ("\\u00b5", "µ"))
# The Ångström sign stands for the letter.
_ANGSTROM = "\u212b"


def micrometres(value: object, unit: str) -> float | None:
    """Return a length in µm.

    Parameters
    ----------
    value : object
        A number, or a text that reads as one; a decimal comma is understood.
    unit : str
        Symbol or name of a unit: ``"mm"``, ``"micrometer"``, ``"inch"``.

    Returns
    -------
    float or None
        None if either means nothing.

    Examples
    --------
    >>> micrometres("0,25", "µm"), micrometres(1, "mm"), micrometres(2, "pixel")
    (0.25, 1000.0, None)
    """
    length, factor = number(value), unit_in_micrometres(unit)
    return None if length is None or factor is None else length * factor


def unit_in_micrometres(unit: str) -> float | None:
    """Return how many µm a unit has; None for what is no length, *pixel* for instance."""
    unit = unit.strip().strip("\0\"'").strip()
    for written, meant in _MU:
        unit = unit.replace(written, meant)
    unit = unit.replace(_ANGSTROM, "Å")
    if unit in _SYMBOLS:
        return _SYMBOLS[unit]
    name = unit.lower().replace("metre", "meter")
    return _NAMES.get(name, _NAMES.get(name.removesuffix("s")))


def number(value: object) -> float | None:
    """Return what is, or reads as, a finite number; None otherwise.

    A comma is a decimal one unless it stands before a point, or several times.
    """
    if isinstance(value, str):
        text = value.strip().strip("\0\"'").strip()
        if not _NUMBER.fullmatch(text):
            return None
        value = _with_point(text)
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def number_and_rest(text: str) -> tuple[float | None, str]:
    """Return the number with which a text begins, if it does, and what stands behind it."""
    text = text.lstrip(" \t\"'")
    found = _NUMBER.match(text)
    return (None, text) if found is None else (number(found[0]), text[found.end() :])


def _with_point(text: str) -> str:
    last = max(text.rfind("."), text.rfind(","))
    mark = text[last] if last >= 0 else "."
    other = "," if mark == "." else "."
    whole = text.replace(other, "")
    # What separates thousands stands several times.
    return whole.replace(mark, "") if whole.count(mark) > 1 else whole.replace(mark, ".")

"""Reads corners, rectangles, ellipses and colours from XML."""

from __future__ import annotations

import math
from collections.abc import Iterable
from xml.etree.ElementTree import Element

import numpy as np

from wsiseg.annotations.program import Ring
from wsiseg.classes import Colour

_ELLIPSE_ERROR = 0.1
"""Level-0 pixels by which a chord may miss its ellipse."""


def read_corners(points: Iterable[Element]) -> Ring:
    """Return the ``X`` and ``Y`` of some elements.

    Raises
    ------
    ValueError
        If one is missing or not a number.
    """
    corners = [(_number(point, "X"), _number(point, "Y")) for point in points]
    return np.array(corners, np.float64).reshape(-1, 2)


def _number(point: Element, axis: str) -> float:
    text = point.get(axis)
    if text is None:
        raise ValueError(f"a corner has no {axis}")
    # Some programs write the numbers as the user's country does.
    return float(text.replace(",", "."))


def box_around(corners: Ring) -> Ring:
    """Return the upright rectangle around some corners."""
    if not len(corners):
        return corners
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def ellipse_in(corners: Ring) -> Ring:
    """Return the ellipse that fills the upright rectangle around some corners."""
    if not len(corners) or not np.isfinite(corners).all():
        return corners
    low, high = corners.min(axis=0), corners.max(axis=0)
    centre, radii = (low + high) / 2, (high - low) / 2
    steps = math.pi / math.acos(1 - min(1.0, _ELLIPSE_ERROR / max(radii.max(), _ELLIPSE_ERROR)))
    angles = np.linspace(0, 2 * np.pi, min(4096, max(32, math.ceil(steps))), endpoint=False)
    return np.asarray(centre + radii * np.column_stack([np.cos(angles), np.sin(angles)]))


def colour_from_number(text: str | None) -> Colour | None:
    """Return the colour in a whole number whose lowest byte is red, as Windows writes it."""
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number & 255, number >> 8 & 255, number >> 16 & 255


def is_set(element: Element, flag: str) -> bool:
    """Tell whether an attribute is true.

    Parameters
    ----------
    element : Element
        Of the XML.
    flag : str
        Name of the attribute; ``1`` and ``true`` count as true.
    """
    return element.get(flag, "0").strip().lower() in ("1", "true")

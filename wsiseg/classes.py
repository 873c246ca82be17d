"""Classes of labels: name and colour; the label is the index among the others."""

from __future__ import annotations

import colorsys
import unicodedata
from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class LabelClass:
    """A class of labels.

    Attributes
    ----------
    name : str
        Name, as users read it.
    colour : tuple of int
        Red, green, blue, 0 to 255.
    """

    name: str
    colour: Colour


LONGEST_NAME = 100
"""Letters of a class's name."""


def check_class_name(name: str) -> str:
    """Return a class's name as it is.

    Raises
    ------
    ValueError
        If it is longer than :data:`LONGEST_NAME`, or holds control characters: no checkpoint may.
    """
    if len(name) > LONGEST_NAME:
        raise ValueError(f"a name may have {LONGEST_NAME} letters at most")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        raise ValueError("a name may hold no control characters")
    return name


def distinct_colour(index: int) -> Colour:
    """Return an RGB colour that is easily told from those of neighbouring indices.

    Hues step by the golden ratio, so the first n colours are spread around the circle for any n.
    """
    red, green, blue = colorsys.hsv_to_rgb(
        (0.02 + index * 0.6180339887) % 1.0, 0.75, 0.95 if index % 2 == 0 else 0.7
    )
    return round(red * 255), round(green * 255), round(blue * 255)


def numbered_classes(count: int) -> tuple[LabelClass, ...]:
    """Return `count` classes named ``class 0``, ``class 1``, … in distinct colours.

    Examples
    --------
    >>> [entry.name for entry in numbered_classes(2)]
    ['class 0', 'class 1']
    """
    return tuple(LabelClass(f"class {i}", distinct_colour(i)) for i in range(count))

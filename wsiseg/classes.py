"""Classes of labels: name and colour; the label is the index among the others."""

from __future__ import annotations

import colorsys
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

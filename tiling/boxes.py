"""Rectangles in one plane."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole pixels.

    Attributes
    ----------
    y, x : int
        Its first row and column; may be negative.
    height, width : int
        Its size in pixels.
    """

    y: int
    x: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The first row below."""
        return self.y + self.height

    @property
    def right(self) -> int:
        """The first column to the right."""
        return self.x + self.width

    @property
    def area(self) -> int:
        """Pixels inside."""
        return self.height * self.width

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return self.height, self.width

    def intersection(self, other: Box) -> Box:
        """Return what both cover; its area is 0 where they do not meet."""
        y, x = max(self.y, other.y), max(self.x, other.x)
        height = max(0, min(self.bottom, other.bottom) - y)
        width = max(0, min(self.right, other.right) - x)
        return Box(y, x, height, width)

    def grown(self, reach: int) -> Box:
        """Return the box with as much more on every side."""
        return Box(self.y - reach, self.x - reach, self.height + 2 * reach, self.width + 2 * reach)

    @classmethod
    def around(cls, top: float, left: float, bottom: float, right: float) -> Box:
        """Return the smallest box that covers a rectangle with edges anywhere."""
        y, x = math.floor(top), math.floor(left)
        return cls(y, x, math.ceil(bottom) - y, math.ceil(right) - x)

    def reduced(self, factor: float) -> Box:
        """Return the box that covers it in pixels `factor` times as long."""
        edges = (edge / factor for edge in (self.y, self.x, self.bottom, self.right))
        return Box.around(*edges)

    def scaled(self, y: float, x: float) -> Box:
        """Return the box in pixels of which `y` are as high and `x` as wide as one of its own.

        Edges are rounded, so that stretching back by what is above 1 gives the box again.
        """
        top, bottom = (math.floor(edge * y + 0.5) for edge in (self.y, self.bottom))
        left, right = (math.floor(edge * x + 0.5) for edge in (self.x, self.right))
        return Box(top, left, bottom - top, right - left)

    def slices_in(self, outer: Box) -> tuple[slice, slice]:
        """Return the slices that cut this box out of an array that covers `outer`."""
        return (
            slice(self.y - outer.y, self.bottom - outer.y),
            slice(self.x - outer.x, self.right - outer.x),
        )

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

    Examples
    --------
    >>> from wsiseg.tiling import Box
    >>> tile = Box(y=0, x=90, height=40, width=50)
    >>> tile.bottom, tile.right, tile.area
    (40, 140, 2000)
    >>> tile.intersection(Box(10, 100, 100, 100))
    Box(y=10, x=100, height=30, width=40)
    >>> tile.grown(8)
    Box(y=-8, x=82, height=56, width=66)
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
    def corner(self) -> tuple[int, int]:
        """``(y, x)`` of its first pixel."""
        return self.y, self.x

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return self.height, self.width

    def intersection(self, other: Box) -> Box:
        """Return the part that both boxes cover; its area is 0 where they do not meet."""
        y, x = max(self.y, other.y), max(self.x, other.x)
        height = max(0, min(self.bottom, other.bottom) - y)
        width = max(0, min(self.right, other.right) - x)
        return Box(y, x, height, width)

    def grown(self, reach: int) -> Box:
        """Return the box with a margin of `reach` pixels added on every side."""
        return Box(self.y - reach, self.x - reach, self.height + 2 * reach, self.width + 2 * reach)

    @classmethod
    def around(cls, top: float, left: float, bottom: float, right: float) -> Box:
        """Return the smallest box of whole pixels that covers a rectangle.

        Parameters
        ----------
        top, left, bottom, right : float
            Edges of the rectangle, at any fraction of a pixel.

        Returns
        -------
        Box
            First edges rounded down, last ones rounded up.

        Examples
        --------
        >>> Box.around(0.5, 1.0, 2.5, 3.2)
        Box(y=0, x=1, height=3, width=3)
        """
        y, x = math.floor(top), math.floor(left)
        return cls(y, x, math.ceil(bottom) - y, math.ceil(right) - x)

    def reduced(self, factor: float) -> Box:
        """Return the smallest box that covers this one in pixels `factor` times as long."""
        edges = (edge / factor for edge in (self.y, self.x, self.bottom, self.right))
        return Box.around(*edges)

    def scaled(self, y: float, x: float) -> Box:
        """Return the box multiplied by a factor for each axis.

        Edges are rounded to the nearest pixel, so scaling up and then down again gives the box.

        Parameters
        ----------
        y, x : float
            New pixels along one of the old, in height and in width.

        Returns
        -------
        Box
            In the new pixels.
        """
        top, bottom = (math.floor(edge * y + 0.5) for edge in (self.y, self.bottom))
        left, right = (math.floor(edge * x + 0.5) for edge in (self.x, self.right))
        return Box(top, left, bottom - top, right - left)

    def slices_in(self, outer: Box) -> tuple[slice, slice]:
        """Return the slices ``(rows, columns)`` of this box in an array that covers `outer`.

        Examples
        --------
        >>> import numpy as np
        >>> outer, inner = Box(100, 100, 4, 4), Box(101, 102, 2, 2)
        >>> np.arange(16).reshape(4, 4)[inner.slices_in(outer)]
        array([[ 6,  7],
               [10, 11]])
        """
        return (
            slice(self.y - outer.y, self.bottom - outer.y),
            slice(self.x - outer.x, self.right - outer.x),
        )

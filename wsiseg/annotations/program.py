"""The interface of an annotation program: how its files are recognised and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.annotation import Origin
from wsiseg.classes import Colour

Ring = npt.NDArray[np.float64]
"""Corners ``(n, 2)`` as ``x, y``; the last need not repeat the first."""

Rings = tuple[Ring, ...]
"""A polygon: its outline, then its holes."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """One drawn object as the file has it, before any check or repair.

    Attributes
    ----------
    name : str or None
        Its class.
    colour : tuple of int or None
        RGB of its class.
    polygons : tuple of Rings
        Its areas.
    without_area : tuple of str
        Its parts without area: "point", "line", ….
    unclosed : bool
        Whether a ring is open although the format requires closed ones.
    layer : int
        Number of its layer.
    excluded : bool
        Whether it is cut out of the others on its layer.
    painted : bool
        Whether it was painted over earlier shapes.
    title : str or None
        What it is called itself, whatever its class.
    """

    name: str | None
    colour: Colour | None = None
    polygons: tuple[Rings, ...] = ()
    without_area: tuple[str, ...] = ()
    unclosed: bool = False
    layer: int = 0
    excluded: bool = False
    painted: bool = False
    title: str | None = None


@dataclass(frozen=True)
class Program:
    """An annotation program and its file format.

    Attributes
    ----------
    name : str
        Its name.
    origin : {"level 0", "bounds", "tiles of bounds"}
        The origin of its coordinates.
    recognises : callable
        Takes the root element of an XML file or the content of any JSON file, and returns whether
        this program wrote it.
    read : callable
        Takes the same and yields a :class:`Drawing` for each object, in painting order.  Raises
        ValueError, TypeError or LookupError if the file is not as the program writes it.
    """

    name: str
    origin: Origin
    recognises: Callable[[Any], bool]
    read: Callable[[Any], Iterator[Drawing]]

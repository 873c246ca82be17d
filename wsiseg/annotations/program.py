"""What a reader of one program's files has to offer."""

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
    """One thing that somebody drew, as the file has it: nothing is checked yet.

    Attributes
    ----------
    name : str or None
        Its class.
    colour : tuple of int or None
        RGB of its class.
    polygons : tuple of Rings
        Its areas.
    without_area : tuple of str
        What else belongs to it: "point", "line", ….
    unclosed : bool
        Whether a ring is open although the format wants it closed.
    layer : int
        Which layer it is on.
    excluded : bool
        Whether it is cut out of the others on its layer.
    """

    name: str | None
    colour: Colour | None = None
    polygons: tuple[Rings, ...] = ()
    without_area: tuple[str, ...] = ()
    unclosed: bool = False
    layer: int = 0
    excluded: bool = False


@dataclass(frozen=True)
class Program:
    """A program in which people annotate.

    Attributes
    ----------
    name : str
        What it is called.
    origin : {"level 0", "bounds", "tiles of bounds"}
        Where it counts pixels from.
    recognises : callable
        Takes the root element of an XML file or the content of a JSON file, whatever it is, and
        tells whether this program wrote it.
    read : callable
        Takes the same and yields what was drawn, in painting order.  A file that is not as the
        program writes it ends in ValueError, TypeError or LookupError.
    """

    name: str
    origin: Origin
    recognises: Callable[[Any], bool]
    read: Callable[[Any], Iterator[Drawing]]

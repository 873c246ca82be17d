"""What every annotation program's file is turned into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shapely.geometry.base import BaseGeometry

from wsiseg.classes import Colour

Origin = Literal["level 0", "bounds", "tiles of bounds"]
"""Where a file counts its pixels from.

The corner of level 0, that of the part that was scanned, or that of the first tile of 256 pixels
which the scanned part touches.
"""


@dataclass(frozen=True)
class Annotation:
    """One shape that somebody drew.

    Attributes
    ----------
    name : str or None
        Its class as the program calls it; None if it was given none.
    geometry : shapely geometry
        A valid Polygon or MultiPolygon; ``x, y`` in pixels of level 0, corners at whole numbers.
    colour : tuple of int or None
        RGB of its class, if the file gives one.
    """

    name: str | None
    geometry: BaseGeometry
    colour: Colour | None = None


@dataclass(frozen=True)
class AnnotationFile:
    """Everything that one file holds.

    Attributes
    ----------
    path : Path
        The file.
    annotations : tuple of Annotation
        In painting order: a later one lies over those before it.
    origin : {"level 0", "bounds", "tiles of bounds"}
        Where its program counts pixels from.
    notes : tuple of str
        What was repaired or left out, one sentence each.
    """

    path: Path
    annotations: tuple[Annotation, ...]
    origin: Origin = "level 0"
    notes: tuple[str, ...] = ()

"""The annotations of a file, whichever program wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shapely.geometry.base import BaseGeometry

from wsiseg.classes import Colour

Origin = Literal["level 0", "bounds", "tiles of bounds"]
"""The origin of a file's coordinates.

The corner of level 0, that of the scanned bounds, or that of the first tile of 256 pixels which
the scanned bounds touch.
"""


@dataclass(frozen=True)
class Annotation:
    """One annotated shape.

    Attributes
    ----------
    name : str or None
        Name of its class in the program; None if it has none.
    geometry : shapely geometry
        A valid Polygon or MultiPolygon; ``x, y`` in pixels of level 0, corners at whole numbers.
    colour : tuple of int or None
        RGB of its class, if the file gives one.
    painted : bool
        Whether it was painted over earlier shapes, and covers them even if it encloses them.
    title : str or None
        What the shape is called itself, whatever its class.
    """

    name: str | None
    geometry: BaseGeometry
    colour: Colour | None = None
    painted: bool = False
    title: str | None = None


@dataclass(frozen=True)
class AnnotationFile:
    """The content of one annotation file.

    Attributes
    ----------
    path : Path
        The file.
    annotations : tuple of Annotation
        In the order of the file; see :func:`wsiseg.annotations.overlapping.painting_order`.
    origin : {"level 0", "bounds", "tiles of bounds"}
        The origin of its coordinates.
    notes : tuple of str
        What was repaired or left out, one sentence each.
    """

    path: Path
    annotations: tuple[Annotation, ...]
    origin: Origin = "level 0"
    notes: tuple[str, ...] = ()

"""Places annotations on their slide: converts a file's coordinates to pixels of level 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import shapely

from wsiseg.annotations.annotation import AnnotationFile, Origin
from wsiseg.errors import AnnotationError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides import Slide

Coordinates = Literal["auto", "level0", "bounds"]
"""The user's choice of origin: detected, the corner of level 0, or that of the scanned bounds."""

_TILE = 256
_OVERHANG = 16
"""Pixels by which a shape may reach over an edge and still count as inside."""

_Geometries = npt.NDArray[Any]
_Points = npt.NDArray[np.float64]


def place(file: AnnotationFile, slide: Slide, coordinates: Coordinates = "auto") -> AnnotationFile:
    """Convert annotations to pixels of level 0 of their slide.

    Parameters
    ----------
    file : AnnotationFile
        From :func:`read_annotations`.
    slide : Slide
        Open.
    coordinates : {"auto", "level0", "bounds"}
        The origin of the file's coordinates.  ``auto`` takes the one that puts the annotations on
        the scanned part of the slide; where both do, that of the file's program.

    Returns
    -------
    AnnotationFile
        With origin ``level 0``, and a note on the origin if there was a choice.

    Raises
    ------
    AnnotationError
        If an annotation lies wholly outside the slide.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from wsiseg.annotations import Annotation
    >>> from wsiseg.tiling import open_slide
    >>> drawn = Annotation("gland", shapely.box(10, 10, 40, 20))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "slide.png")
    ...     Image.new("RGB", (64, 48)).save(path)
    ...     with open_slide(path) as slide:
    ...         placed = place(AnnotationFile(Path("slide.geojson"), (drawn,)), slide)
    >>> placed.origin, placed.annotations[0].geometry.bounds
    ('level 0', (10.0, 10.0, 40.0, 20.0))
    """
    placed = move_to_level_0(file, slide, coordinates)
    total = len(placed.annotations)
    lost = total - int(_meets(_geometries(placed), slide.levels[0].box).sum())
    if lost:
        raise AnnotationError(
            f"{lost} of {total} annotations lie outside the slide",
            file.path,
            "Are they of this slide? `coordinates` says where their pixels count from.",
        )
    return placed


@dataclass(frozen=True)
class CoordinateTransform:
    """Converts between the coordinates of an annotation file and pixels of level 0.

    Attributes
    ----------
    corner : tuple of int
        ``(y, x)`` of the origin, in pixels of the slide's file.
    stretch : tuple of float
        Pixels of level 0 along one of the slide's file, ``(y, x)``.
    """

    corner: tuple[int, int]
    stretch: tuple[float, float]

    @classmethod
    def from_scanned_bounds(cls, slide: Slide) -> Self:
        """Return the transform of QuPath: the origin is the corner of the scanned bounds."""
        bounds = _bounds(slide)
        return cls((0, 0) if bounds is None else (bounds.y, bounds.x), slide.facts.stretch)

    def to_level_0(self, geometries: _Geometries) -> _Geometries:
        """Convert shapes from the file's coordinates to pixels of level 0."""
        corner, stretch = np.array(self.corner[::-1]), np.array(self.stretch[::-1])
        return _moved(geometries, lambda points: (points + corner) * stretch)

    def from_level_0(self, geometries: _Geometries) -> _Geometries:
        """Convert shapes from pixels of level 0 to the file's coordinates."""
        corner, stretch = np.array(self.corner[::-1]), np.array(self.stretch[::-1])
        return _moved(geometries, lambda points: points / stretch - corner)


def move_to_level_0(
    file: AnnotationFile, slide: Slide, coordinates: Coordinates = "auto"
) -> AnnotationFile:
    """Convert annotations to pixels of level 0, as :func:`place`, even outside the slide.

    Parameters
    ----------
    file : AnnotationFile
        From :func:`read_annotations`.
    slide : Slide
        Open.
    coordinates : {"auto", "level0", "bounds"}
        The origin of the file's coordinates, see :func:`place`.
    """
    return move_by(file, *find_transform(file, slide, coordinates))


def move_by(
    file: AnnotationFile, transform: CoordinateTransform, notes: tuple[str, ...]
) -> AnnotationFile:
    """Convert annotations to pixels of level 0.

    Parameters
    ----------
    file : AnnotationFile
        From :func:`read_annotations`.
    transform : CoordinateTransform
        From the file's coordinates.
    notes : tuple of str
        Sentences to add to the file's.
    """
    moved = transform.to_level_0(_geometries(file))
    return replace(
        file,
        annotations=tuple(
            replace(annotation, geometry=geometry)
            for annotation, geometry in zip(file.annotations, moved, strict=True)
        ),
        origin="level 0",
        notes=(*file.notes, *notes),
    )


def find_transform(
    file: AnnotationFile, slide: Slide, coordinates: Coordinates = "auto"
) -> tuple[CoordinateTransform, tuple[str, ...]]:
    """Return the transform from a file's coordinates to pixels of level 0.

    Parameters
    ----------
    file : AnnotationFile
        From :func:`read_annotations`.
    slide : Slide
        Open.
    coordinates : {"auto", "level0", "bounds"}
        The origin of the file's coordinates, see :func:`place`.

    Returns
    -------
    CoordinateTransform
        From the file to level 0 and back.
    tuple of str
        A note on the origin, if there was a choice.
    """
    return choose_transform(file, _bounds(slide), slide.facts.stretch, coordinates)


def choose_transform(
    file: AnnotationFile,
    bounds: Box | None,
    stretch: tuple[float, float],
    coordinates: Coordinates = "auto",
) -> tuple[CoordinateTransform, tuple[str, ...]]:
    """Return the transform from a file's coordinates, as :func:`find_transform`, without a slide.

    Parameters
    ----------
    file : AnnotationFile
        From :func:`read_annotations`.
    bounds : Box or None
        The scanned bounds in pixels of the slide's file.
    stretch : tuple of float
        Pixels of level 0 along one of the slide's file, ``(y, x)``.
    coordinates : {"auto", "level0", "bounds"}
        The origin of the file's coordinates, see :func:`place`.
    """
    if bounds is None or not (bounds.x or bounds.y):
        return CoordinateTransform((0, 0), stretch), ()
    scanned: Origin = "bounds" if file.origin == "level 0" else file.origin
    if coordinates == "auto":
        origin, certain = _choose(file, scanned, bounds)
    else:
        origin, certain = ("level 0" if coordinates == "level0" else scanned), True
    corner = _corner(origin, bounds)
    return CoordinateTransform(corner, stretch), (_note(origin, *corner, certain=certain),)


def _bounds(slide: Slide) -> Box | None:
    """Return the scanned bounds in pixels of the slide's file."""
    bounds = slide.facts.bounds
    return None if bounds is None else slide.facts.to_file_pixels(bounds)


def _moved(geometries: _Geometries, move: Callable[[_Points], _Points]) -> _Geometries:
    return np.asarray(shapely.transform(geometries, move), object)


def _choose(file: AnnotationFile, scanned: Origin, bounds: Box) -> tuple[Origin, bool]:
    """Return where a file counts from, and whether its shapes tell."""
    geometries = _geometries(file)
    candidates: tuple[Origin, ...] = ("level 0", scanned)
    for fits in (_lies_in, _meets):
        possible = []
        for origin in candidates:
            y, x = _corner(origin, bounds)
            seen_from_there = Box(bounds.y - y, bounds.x - x, bounds.height, bounds.width)
            if fits(geometries, seen_from_there).all():
                possible.append(origin)
        if len(possible) == 1:
            return possible[0], True
        if possible:
            break
    return file.origin, False


def _corner(origin: Origin, bounds: Box) -> tuple[int, int]:
    """Return the ``(y, x)`` from which an origin counts, in pixels of the slide's file."""
    if origin == "level 0":
        return 0, 0
    if origin == "bounds":
        return bounds.y, bounds.x
    return bounds.y // _TILE * _TILE, bounds.x // _TILE * _TILE


def _note(origin: Origin, y: int, x: int, *, certain: bool) -> str:
    corner = (
        "the corner of level 0"
        if origin == "level 0"
        else f"x {x}, y {y}, where the scanned part of the slide begins"
    )
    doubt = "" if certain else ", as its program does"
    return f"the annotations' pixels are counted from {corner}{doubt}"


def _geometries(file: AnnotationFile) -> _Geometries:
    geometries = np.empty(len(file.annotations), object)
    geometries[:] = [annotation.geometry for annotation in file.annotations]
    return geometries


def _lies_in(geometries: _Geometries, box: Box) -> npt.NDArray[np.bool_]:
    """Tell which lie in a box, but for a little."""
    left, top, right, bottom = shapely.bounds(geometries).T
    return np.asarray(
        (left >= box.x - _OVERHANG)
        & (top >= box.y - _OVERHANG)
        & (right <= box.right + _OVERHANG)
        & (bottom <= box.bottom + _OVERHANG)
    )


def _meets(geometries: _Geometries, box: Box) -> npt.NDArray[np.bool_]:
    """Tell which have some area in a box."""
    frame = shapely.box(box.x, box.y, box.right, box.bottom)
    found = np.asarray(shapely.intersects(geometries, frame))
    left, top, right, bottom = shapely.bounds(geometries).T
    edge = found & ((left < box.x) | (top < box.y) | (right > box.right) | (bottom > box.bottom))
    found[edge] = shapely.area(shapely.intersection(geometries[edge], frame)) > 0
    return found

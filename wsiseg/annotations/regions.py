"""The regions that a user drew to say where to look."""

from __future__ import annotations

from pathlib import Path

import shapely

from wsiseg.annotations.placing import move_to_level_0
from wsiseg.annotations.reading import read_annotations
from wsiseg.errors import AnnotationError
from wsiseg.tiling.regions import Regions
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide


def read_regions(path: Path, slide: Slide, plane: WorkingPlane) -> tuple[Regions, tuple[str, ...]]:
    """Return the union of all shapes in a file, whatever their classes.

    Parameters
    ----------
    path : Path
        What :func:`read_annotations` takes.
    slide : Slide
        Open.
    plane : WorkingPlane
        Of that slide; what the regions are laid over.

    Returns
    -------
    Regions
        Their union.
    tuple of str
        What was repaired, left out or decided.

    Raises
    ------
    AnnotationError
        If the file cannot be read, holds no area, or all of it lies outside the slide.
    """
    placed = move_to_level_0(read_annotations(path), slide)
    union = shapely.union_all([annotation.geometry for annotation in placed.annotations])
    regions = Regions(union, plane)
    if not regions.touches(plane.box):
        raise AnnotationError("all regions lie outside the slide", path, "Are they of this slide?")
    return regions, placed.notes

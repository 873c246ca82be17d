"""Reads regions of interest: outside them nothing is analysed."""

from __future__ import annotations

from pathlib import Path

from wsiseg.annotations.placing import move_to_level_0
from wsiseg.annotations.reading import read_annotations
from wsiseg.errors import AnnotationError
from wsiseg.tiling.regions import Regions
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide


def read_regions(path: Path, slide: Slide, plane: WorkingPlane) -> tuple[Regions, tuple[str, ...]]:
    """Read a file of regions: the union of all its shapes, whatever their classes.

    Parameters
    ----------
    path : Path
        A file that :func:`read_annotations` takes.
    slide : Slide
        Open.
    plane : WorkingPlane
        The working plane of the slide.

    Returns
    -------
    Regions
        Their union.
    tuple of str
        Sentences on what was repaired, left out or decided.

    Raises
    ------
    AnnotationError
        If the file cannot be read, holds no area, or all of it lies outside the slide.
    """
    placed = move_to_level_0(read_annotations(path), slide)
    regions = Regions([annotation.geometry for annotation in placed.annotations], plane)
    if not regions.touches(plane.box):
        raise AnnotationError("all regions lie outside the slide", path, "Are they of this slide?")
    return regions, placed.notes

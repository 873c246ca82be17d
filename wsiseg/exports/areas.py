"""Measures the area of each class in a mask or a region of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely.affinity
from shapely.geometry.base import BaseGeometry

from wsiseg.annotations.raster import PixelArray
from wsiseg.classes import LabelClass
from wsiseg.errors import AnnotationError
from wsiseg.store.metadata import NOT_ANALYSED
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.regions import Regions
from wsiseg.tiling.resolution import WorkingPlane

_BLOCK = 2048

ProgressCallback = Callable[[float], None]
"""Called with the share that is done, 0 to 1; may raise to cancel."""


@dataclass(frozen=True)
class ClassArea:
    """The area of one class.

    Attributes
    ----------
    value : int
        The label.
    name : str
        The class's name.
    pixels : int
        Number of mask pixels.
    mm2 : float or None
        The same in square millimetres, if the resolution is known.
    share : float or None
        Share of the analysed area, 0 to 1; None for the area that was not analysed.
    """

    value: int
    name: str
    pixels: int
    mm2: float | None
    share: float | None


def measure_areas(
    labels: PixelArray,
    classes: Mapping[int, LabelClass],
    *,
    pixel: float = 1.0,
    corner: tuple[float, float] = (0.0, 0.0),
    mpp: float | None = None,
    region: BaseGeometry | None = None,
    progress: ProgressCallback | None = None,
) -> list[ClassArea]:
    """Measure the area of each class, in a whole mask or in a region.

    Parameters
    ----------
    labels : array-like
        Labels ``(H, W)``, 0 to 255; read in blocks.
    classes : mapping of int to LabelClass
        The classes of the labels.
    pixel : float
        Pixels of the slide's level 0 along one of the mask's.
    corner : tuple of float
        ``(y, x)`` of the mask's corner in pixels of level 0.
    mpp : float, optional
        µm per pixel of the mask, if it is known.
    region : shapely geometry, optional
        ``x, y`` in pixels of level 0; a pixel counts if its centre is inside.
    progress : callable, optional
        Called between blocks with the share that is done, 0 to 1; may raise to cancel.

    Returns
    -------
    list of ClassArea
        Named classes in the order of the labels, then values without a name, then the area that
        was not analysed, if there is any.

    Raises
    ------
    AnnotationError
        If the labels cannot be read, or are not within 0 to 255.

    Examples
    --------
    >>> labels = np.array([[0, 1, 1], [1, 255, 255]], np.uint8)
    >>> names = {0: LabelClass("stroma", (0, 0, 255)), 1: LabelClass("gland", (255, 0, 0))}
    >>> for area in measure_areas(labels, names, mpp=500.0):
    ...     print(area.name, area.pixels, area.mm2, area.share)
    stroma 1 0.25 0.25
    gland 3 0.75 0.75
    not analysed 2 0.5 None
    """
    if region is not None:
        region = shapely.affinity.translate(region, -corner[1], -corner[0])
    counts = _count(labels, pixel, region, progress)
    unseen, analysed = int(counts[NO_LABEL]), int(counts.sum() - counts[NO_LABEL])
    names = {value: entry.name for value, entry in sorted(classes.items())}
    names |= {v: f"value {v}" for v in np.flatnonzero(counts).tolist() if v not in names}
    names.pop(NO_LABEL, None)
    size = None if mpp is None else mpp**2 / 1e6

    def measure(value: int, name: str, whole: int) -> ClassArea:
        pixels = int(counts[value])
        covered = None if size is None else pixels * size
        return ClassArea(value, name, pixels, covered, pixels / whole if whole else None)

    rows = [measure(value, name, analysed) for value, name in names.items()]
    return [*rows, measure(NO_LABEL, NOT_ANALYSED, 0)] if unseen else rows


def _count(
    labels: PixelArray, pixel: float, region: BaseGeometry | None, progress: ProgressCallback | None
) -> npt.NDArray[np.int64]:
    """Return how many pixels have each of the values 0 to 255."""
    height, width = labels.shape
    plane = WorkingPlane(height, width, level=0, level_scale=1.0, slide_scale=pixel, mpp=None)
    drawn = None if region is None else Regions(region, plane)
    within = plane.box if region is None else _frame(region, pixel).intersection(plane.box)
    counts = np.zeros(NO_LABEL + 1, np.int64)
    for top in range(within.y // _BLOCK * _BLOCK, within.bottom, _BLOCK):
        for left in range(within.x // _BLOCK * _BLOCK, within.right, _BLOCK):
            box = Box(top, left, _BLOCK, _BLOCK).intersection(within)
            block = labels[box.slices_in(plane.box)]
            seen = block.ravel() if drawn is None else block[drawn.rasterise(box)]
            if (
                seen.dtype.kind not in "iu"
                or seen.min(initial=0) < 0
                or seen.max(initial=0) > NO_LABEL
            ):
                raise AnnotationError(
                    f"the mask has values outside 0 to {NO_LABEL}, which are not labels"
                )
            counts += np.bincount(seen, minlength=NO_LABEL + 1)
        if progress is not None:
            progress((min(top + _BLOCK, within.bottom) - within.y) / within.height)
    return counts


def _frame(region: BaseGeometry, pixel: float) -> Box:
    """Return the pixels of the mask that a region can touch."""
    left, top, right, bottom = (corner / pixel for corner in region.bounds)
    return Box.around(top, left, bottom, right)

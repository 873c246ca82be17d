"""Counts of pixels by unit: what a bootstrap draws, a picture or an annotated field of a slide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.tiling.boxes import Box
from wsiseg.training.metrics.confusion import ConfusionMatrix
from wsiseg.training.metrics.pairs import check_class_count

CELL = 256
"""Edge in pixels of level 0 of the squares in which slides are counted.

What is annotated in squares that touch is one field: shapes close together are no independent
samples.  Level 0 is what checkpoints of different working resolutions have in common.
"""

FIELD = 2048
"""Edge in pixels of level 0 of a field; areas of one and a half times that and more are several.

At 0.25 µm per pixel these are 1024 working pixels of 0.5 µm, half a millimetre: what people
annotate in one go.  Smaller ones would pass off neighbours, which are alike, as independent.
"""

Counts = npt.NDArray[np.int64]
_Place = tuple[int, int]


class UnitCounts:
    """Hits, true and predicted pixels of each class, by picture or by square of a slide.

    These are the sums that IoU and Dice follow from.  They take far less memory than confusion
    matrices: of 3 classes some 300 bytes for a square of a slide, 40 MB for a slide of 8 Gpx that
    is annotated throughout.

    Parameters
    ----------
    classes : int
        How many there are, from 1 to 255.

    Raises
    ------
    ArgumentError
        If `classes` is out of range.
    """

    def __init__(self, classes: int) -> None:
        check_class_count(classes)
        self.classes = classes
        self.samples: dict[str, dict[_Place, Counts]] = {}

    def add(
        self,
        sample: str,
        box: Box,
        scale: float | None,
        truth: Labels,
        predicted: Labels,
    ) -> None:
        """Count a part of a sample.

        Parameters
        ----------
        sample : str
            Its name.
        box : Box
            Where the part lies on the working plane.
        scale : float or None
            Pixels of level 0 along one working pixel of a slide; None for pictures, which are one
            unit each.
        truth, predicted : ndarray
            uint8 ``(box.height, box.width)``, as :meth:`ConfusionMatrix.add` takes them.
        """
        cells = self.samples.setdefault(sample, {})
        for y, rows in _runs(box.y, box.height, scale):
            for x, columns in _runs(box.x, box.width, scale):
                known = truth[rows, columns]
                if (known == IGNORED).all():
                    continue
                matrix = ConfusionMatrix(self.classes)
                matrix.add(known, predicted[rows, columns])
                counts = np.stack([matrix.hits, matrix.truth_pixels, matrix.predicted_pixels])
                cells[y, x] = counts + cells.get((y, x), 0)


def pair_units(parts: Sequence[UnitCounts]) -> Counts:
    """Return the counts of several checkpoints by unit, the same units for all.

    A picture is a unit.  On a slide it is an annotated field: squares that hold annotated pixels
    and touch each other, cut into parts of about `FIELD` where they reach further.

    Parameters
    ----------
    parts : sequence of UnitCounts
        What was counted of each checkpoint over the same samples.

    Returns
    -------
    ndarray
        int64 ``(checkpoints, units, 3, classes)``: hits, true pixels, predicted pixels.
    """
    units: list[Counts] = []
    for sample in dict.fromkeys(name for part in parts for name in part.samples):
        cells = [part.samples.get(sample, {}) for part in parts]
        places = sorted({place for each in cells for place in each})
        fields: dict[tuple[int, ...], Counts] = {}
        for place, field in zip(places, _fields(places), strict=True):
            counts = fields.setdefault(field, np.zeros((len(parts), 3, parts[0].classes), np.int64))
            counts += np.stack([each.get(place, np.zeros_like(counts[0])) for each in cells])
        units += fields.values()
    shape = (len(units), len(parts), 3, parts[0].classes)
    return np.array(units, np.int64).reshape(shape).swapaxes(0, 1)


def _runs(start: int, length: int, scale: float | None) -> Iterator[tuple[int, slice]]:
    """Yield the squares that a range of working pixels meets, and the pixels in each."""
    if scale is None:
        yield 0, slice(0, length)
        return
    # A pixel belongs to where its centre lies, whatever the working resolution.
    squares = ((np.arange(start, start + length) + 0.5) * scale / CELL).astype(int)
    edges = [0, *(np.flatnonzero(np.diff(squares)) + 1).tolist(), length]
    for first, last in pairwise(edges):
        yield int(squares[first]), slice(first, last)


def _fields(places: Sequence[_Place]) -> list[tuple[int, ...]]:
    """Return to which field each square belongs."""
    if not places:
        return []
    where = np.array(places) - np.min(places, axis=0)
    grid = np.zeros(where.max(axis=0) + 1, np.bool_)
    grid[tuple(where.T)] = True
    areas, _ = ndimage.label(grid, np.ones((3, 3)))
    extents = ndimage.find_objects(areas)
    fields = []
    for y, x in where.tolist():
        area = int(areas[y, x])
        parts = [_part(at, extent) for at, extent in zip((y, x), extents[area - 1], strict=True)]
        fields.append((area, *parts))
    return fields


def _part(at: int, extent: slice) -> int:
    """Return in which part of an area a square lies, along one axis."""
    first, length = int(extent.start), int(extent.stop - extent.start)
    # Fields lie anywhere on the grid of squares: rounding keeps one in one piece.
    parts = max(1, round(length * CELL / FIELD))
    return (at - first) * parts // length

"""One pass over a mask at a coarse level of its pyramid: what is where."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wsiseg.error_translation import translate_errors
from wsiseg.errors import AnnotationError
from wsiseg.exports.mask import Mask
from wsiseg.report.sources import block_sums, shrink
from wsiseg.store.arrays import open_array
from wsiseg.store.label_images import StoredValues, is_store
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box

FIELD = 512
"""Edge of a field in working pixels."""

_LONGEST, _FINEST = 1600, 6400
"""Longer sides, at most, of the overview, and of the level that it is made of."""

Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Survey:
    """What a mask holds, coarsely.

    Attributes
    ----------
    plane : Box
        The mask, in its own pixels.
    halvings : int
        The level that was read.
    factor : int
        Pixels of that level along one of the overview.
    shares : dict
        By label: uint8 ``(h, w)``, its share of each pixel of the overview; 255 is all of it.
    counts : dict
        By label: int64 ``(rows, columns)``, pixels of the level in each field.
    uncertainty : ndarray or None
        uint8 ``(h, w)``: its mean; 255 is 1.
    doubts : ndarray or None
        int64 ``(rows, columns)``: the sum of the uncertainty of the level's pixels in each field.
    """

    plane: Box
    halvings: int
    factor: int
    shares: dict[int, Bytes]
    counts: dict[int, Counts]
    uncertainty: Bytes | None = None
    doubts: Counts | None = None

    @property
    def times(self) -> int:
        """Pixels of the mask along one of the overview."""
        return self.factor << self.halvings

    @property
    def shape(self) -> tuple[int, int]:
        """``(h, w)`` of the overview."""
        return -(-self.plane.height // self.times), -(-self.plane.width // self.times)

    def field(self, row: int, column: int) -> Box:
        """Return a field in pixels of the mask, moved inside at the far edges.

        Parameters
        ----------
        row, column : int
            Its place among the fields.
        """
        (height, width), edge = self.plane.shape, FIELD
        y, x = min(row * edge, max(0, height - edge)), min(column * edge, max(0, width - edge))
        return Box(y, x, min(edge, height), min(edge, width))


@dataclass
class _Tally:
    """The parts of a survey while it is made."""

    shape: tuple[int, int]
    fields: tuple[int, int]
    shares: dict[int, Bytes] = field(default_factory=dict)
    counts: dict[int, Counts] = field(default_factory=dict)

    def of(self, label: int) -> tuple[Bytes, Counts]:
        shares = self.shares.setdefault(label, np.zeros(self.shape, np.uint8))
        return shares, self.counts.setdefault(label, np.zeros(self.fields, np.int64))


def survey(mask: Mask, uncertainty: Path | None = None) -> Survey:
    """Look a mask through, and its uncertainty if there is some.

    Parameters
    ----------
    mask : Mask
        Finished.
    uncertainty : Path, optional
        The store beside it.

    Returns
    -------
    Survey
        Of a level that fits in memory, whatever the slide.

    Raises
    ------
    AnnotationError
        If the mask or its uncertainty cannot be read.
    """
    sides = [max(level.shape[-2:]) for level in mask.image.levels]
    halvings = next((i for i, side in enumerate(sides) if side <= _FINEST), len(sides) - 1)
    factor = -(-sides[halvings] // _LONGEST)
    beside = None if uncertainty is None else open_uncertainty(uncertainty, mask, halvings)
    cell = max(1, FIELD >> halvings)
    height, width = mask.image.levels[halvings].shape[-2:]
    tally = _Tally(
        (-(-height // factor), -(-width // factor)), (-(-height // cell), -(-width // cell))
    )
    doubt = None if beside is None else _Tally(tally.shape, tally.fields).of(0)
    rows = cell * factor * max(1, 512 // (cell * factor))
    labels = (*mask.labels_of(None), NO_LABEL)
    for top, strip in mask.strips(labels, level=halvings, height=rows):
        for label in np.flatnonzero(np.bincount(strip.ravel(), minlength=256)).tolist():
            _add(
                tally.of(label), (strip == label).view(np.uint8) * np.uint8(255), top, factor, cell
            )
        if beside is not None and doubt is not None:
            below = slice(top, top + len(strip))
            _add(doubt, beside[below, slice(None)], top, factor, cell)
    return Survey(
        plane=Box(0, 0, *mask.shape),
        halvings=halvings,
        factor=factor,
        shares=tally.shares,
        counts={label: sums // 255 for label, sums in tally.counts.items()},
        uncertainty=None if doubt is None else doubt[0],
        doubts=None if doubt is None else doubt[1],
    )


def _add(into: tuple[Bytes, Counts], values: Bytes, top: int, factor: int, cell: int) -> None:
    """Add some rows to the means of the overview and to the sums of the fields."""
    shares, sums = into
    small = shrink(values, factor)
    shares[top // factor : top // factor + len(small)] = small
    blocks = block_sums(values, cell)
    sums[top // cell : top // cell + len(blocks)] += blocks


def open_uncertainty(path: Path, mask: Mask, level: int) -> StoredValues:
    """Open a level of the uncertainty beside a mask.

    Parameters
    ----------
    path : Path
        Its store.
    mask : Mask
        The mask.
    level : int
        Of the pyramid.

    Raises
    ------
    AnnotationError
        If it cannot be read, or is that of another mask.
    """
    with translate_errors(
        lambda why: AnnotationError(f"the uncertainty cannot be read: {why}", path)
    ):
        if not is_store(path):
            raise AnnotationError("the uncertainty is unfinished", path)
        array = open_array(path / str(level))
    if array.shape != mask.image.levels[level].shape[-2:]:
        raise AnnotationError("the uncertainty is that of another mask", path)
    if array.dtype != np.uint8:
        raise AnnotationError(f"the uncertainty holds {array.dtype}, not uint8", path)
    return StoredValues(array, path)

"""A part of a slide's labels; all outside of it is ignored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.labels import IGNORED, LabelPlane, Labels, LabelSource
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide

Cells = npt.NDArray[np.bool_]


class PartOfLabels(LabelSource):
    """Labels of some cells of a grid over the whole slide.

    Parameters
    ----------
    whole : LabelSource
        All labels of the slide.
    cells : ndarray
        bool ``(rows, columns)``: which equal parts of height and width belong to it.
    """

    def __init__(self, whole: LabelSource, cells: Cells) -> None:
        super().__init__(whole.path)
        self.whole = whole
        self.cells = cells

    def open(self, slide: Slide, plane: WorkingPlane) -> LabelPlane:
        """Open the labels; see :class:`LabelSource`."""
        return _PartPlane(self.whole.open(slide, plane), self.cells, plane)

    def check(self) -> None:
        """Check all values; see :class:`LabelSource`."""
        self.whole.check()


class _PartPlane(LabelPlane):
    def __init__(self, whole: LabelPlane, cells: Cells, plane: WorkingPlane) -> None:
        self.notes = whole.notes
        self._whole, self._cells = whole, cells
        self._shape = plane.height, plane.width

    def read(self, box: Box) -> Labels:
        """Return the labels of a box; see :class:`LabelPlane`."""
        rows = self._cell(np.arange(box.y, box.bottom), 0)
        columns = self._cell(np.arange(box.x, box.right), 1)
        return np.where(
            self._cells[np.ix_(rows, columns)], self._whole.read(box), np.uint8(IGNORED)
        )

    def landmarks(self, narrowest: float) -> Sequence[tuple[int, float, float]]:
        """Return a place in each small shape; see :class:`LabelPlane`."""
        return [
            (label, y, x)
            for label, y, x in self._whole.landmarks(narrowest)
            if self._cells[self._cell(y, 0), self._cell(x, 1)]
        ]

    def outlines(self) -> npt.NDArray[np.object_]:
        """Return the outlines of all shapes; see :class:`LabelPlane`."""
        return self._whole.outlines()

    def sketch(self, shape: tuple[int, ...], full: tuple[int, int]) -> Labels | None:
        """Return all of the mask, reduced; see :class:`LabelPlane`."""
        return self._whole.sketch(shape, full)

    def _cell(self, at: npt.ArrayLike, axis: int) -> npt.NDArray[np.intp]:
        count = self._cells.shape[axis]
        cell = np.floor((np.asarray(at, float) + 0.5) * (count / self._shape[axis]))
        return np.asarray(np.clip(cell, 0, count - 1), np.intp)

"""Density maps: what lies in each cell of a square grid over a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.labels import Labels
from wsiseg.errors import ArgumentError

_MOST = 2**22
"""Cells times classes; more would be a picture, and not fit into memory."""

_ROUNDING = 1e-9
"""Cells; a pixel whose centre lies on a border belongs to the cell behind it."""


class DensityGrid:
    """Counts pixels and components in square cells, strip by strip.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)`` of the mask.
    cell : float
        Edge of a cell in pixels of the mask.
    labels : sequence of int
        The labels of the classes.

    Attributes
    ----------
    rows, columns : ndarray
        int64 ``(cells down + 1,)`` and ``(cells across + 1,)``: the pixels with which the cells
        begin, and the end.
    pixels, components : ndarray
        int64 ``(cells down, cells across, classes)``: what was counted.

    Raises
    ------
    ArgumentError
        If cells are smaller than pixels, or too many.

    Examples
    --------
    >>> grid = DensityGrid((2, 5), cell=2.5, labels=[0, 1])
    >>> grid.count_pixels(0, np.array([[0, 0, 1, 1, 1], [0, 0, 0, 0, 255]], np.uint8))
    >>> grid.columns.tolist(), grid.pixels[0, :, 0].tolist(), grid.pixels[0, :, 1].tolist()
    ([0, 2, 5], [4, 2], [0, 3])
    """

    def __init__(self, shape: tuple[int, int], cell: float, labels: Sequence[int]) -> None:
        if cell < 1:
            raise ArgumentError("cells would be smaller than pixels of the mask", "`every`")
        down, across = (int(-(-edge // cell)) for edge in shape)
        if down * across * len(labels) > _MOST:
            raise ArgumentError(
                f"that makes {down}×{across} cells, too many for a table", "`every`"
            )
        self._cell = cell
        self._labels = list(labels)
        self.rows, self.columns = (self._edges(edge) for edge in shape)
        size = (len(self.rows) - 1, len(self.columns) - 1, len(self._labels))
        self.pixels = np.zeros(size, np.int64)
        self.components = np.zeros(size, np.int64)

    def count_pixels(self, top: int, rows: Labels) -> None:
        """Count the pixels of a strip.

        Parameters
        ----------
        top : int
            The first row.
        rows : ndarray
            uint8 ``(n, width)``.
        """
        cells = np.searchsorted(self.rows, np.arange(top, top + len(rows)), side="right") - 1
        begins = np.flatnonzero(np.diff(cells, prepend=-1))
        for number, label in enumerate(self._labels):
            along = np.add.reduceat(rows == label, self.columns[:-1], axis=1, dtype=np.int64)
            self.pixels[cells[begins], :, number] += np.add.reduceat(along, begins, axis=0)

    def count_components(self, labels: Labels, places: npt.NDArray[np.float64]) -> None:
        """Count components where their centroids lie.

        Parameters
        ----------
        labels : ndarray
            uint8 ``(n,)``.
        places : ndarray
            float64 ``(n, 2)``: y, x of their centroids, from the mask's corner.
        """
        last = np.array(self.pixels.shape[:2]) - 1
        cell = np.minimum(self._cells(places), last)
        number = np.searchsorted(self._labels, labels)
        np.add.at(self.components, (cell[:, 0], cell[:, 1], number), 1)

    def _edges(self, edge: int) -> npt.NDArray[np.int64]:
        cells = self._cells(np.arange(edge) + 0.5)
        return np.append(np.flatnonzero(np.diff(cells, prepend=-1)), edge)

    def _cells(self, places: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        return np.floor(places / self._cell + _ROUNDING).astype(np.int64)

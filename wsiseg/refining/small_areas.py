"""Follows areas from strip to strip until they are finished, or too large to be small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.connecting import Connector, StripAreas
from wsiseg.annotations.labels import IGNORED, Labels

Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Edits:
    """Runs of pixels that get other labels.

    Attributes
    ----------
    starts, stops : ndarray
        int64 ``(runs,)``: pixels of the mask, counted in reading order.
    labels : ndarray
        uint8 ``(runs,)``.
    """

    starts: Whole
    stops: Whole
    labels: Labels

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, chosen: Flags) -> Edits:
        """Return some of them."""
        return Edits(self.starts[chosen], self.stops[chosen], self.labels[chosen])


class SmallAreas:
    """The areas of a mask that may be small, or are open: their labels, sizes and pixels.

    Pixels are connected by their sides.  In memory are areas that reach into the last row, and
    finished ones that are still needed; the pixels of those alone that are smaller than the limit.

    Parameters
    ----------
    width : int
        Pixels in a row.
    limit : int
        Areas of fewer pixels are small.
    top : int
        The first row that will be given.

    Attributes
    ----------
    labels : ndarray
        uint8 ``(areas,)``.
    sizes : ndarray
        int64 ``(areas,)``, in pixels.
    """

    def __init__(self, width: int, limit: int, top: int = 0) -> None:
        self._width = width
        self._limit = limit
        self._top = top
        self._connector = Connector(IGNORED)
        self._row = np.full(width + 2, IGNORED, np.uint8)
        self.labels = np.empty(0, np.uint8)
        self.sizes = np.empty(0, np.int64)
        self._numbers = np.empty(0, np.int64)
        self._owners = np.empty(0, np.int64)
        self._starts = np.empty(0, np.int64)
        self._stops = np.empty(0, np.int64)

    @property
    def open(self) -> Flags:
        """Bool ``(areas,)``: which reach into the last row."""
        still: Flags = self._numbers >= 0
        return still

    @property
    def small(self) -> Flags:
        """Bool ``(areas,)``: which are smaller than the limit, so far."""
        few: Flags = (self.sizes < self._limit) & (self.labels != IGNORED)
        return few

    @property
    def waiting(self) -> int | None:
        """The first pixel, in reading order, of areas that are still needed."""
        return int(self._starts.min()) if len(self._starts) else None

    def add(self, rows: Labels) -> tuple[StripAreas, Labels, Whole]:
        """Take the next rows.

        Parameters
        ----------
        rows : ndarray
            uint8 ``(n, width)``; 255 belongs to no area.

        Returns
        -------
        StripAreas
            The areas of the strip, which are the first of all now.
        ndarray
            uint8 ``(n + 1, width + 2)``: the strip in its frame, the row before it included.
        ndarray
            int64: the number of each area that there was before.
        """
        framed = np.pad(rows, ((1, 0), (1, 1)), constant_values=IGNORED)
        framed[0] = self._row
        areas = self._connector.add(framed)
        count = len(areas.labels)
        closed = self._numbers < 0
        moved = np.empty(len(self.sizes), np.int64)
        moved[~closed] = areas.of_open[self._numbers[~closed]]
        moved[closed] = count + np.arange(np.count_nonzero(closed))
        self.labels = np.concatenate([areas.labels, self.labels[closed]])
        before, self.sizes = self.sizes, np.zeros(len(self.labels), np.int64)
        np.add.at(self.sizes, moved, before)
        self._numbers = np.concatenate([areas.still_open, self._numbers[closed]]).astype(np.int64)
        self._owners = moved[self._owners]
        self._add_runs(areas, framed)
        self._row = framed[-1].copy()
        self._top += len(rows)
        return areas, framed, moved

    def _add_runs(self, areas: StripAreas, framed: Labels) -> None:
        starts, width = areas.run_starts, framed.shape[1]
        lengths = np.diff(starts, append=framed.size)
        row, column = np.divmod(starts, width)
        new = (row > 0) & (areas.labels[areas.of_run] != IGNORED)
        owners = areas.of_run[new].astype(np.int64)
        count = len(areas.labels)
        added = np.bincount(owners, weights=lengths[new], minlength=count)
        self.sizes[:count] += added.astype(np.int64)
        # The frame is a row and a column wide.
        begins = (self._top + row[new] - 1) * self._width + column[new] - 1
        small = self.sizes[owners] < self._limit
        self._owners = np.concatenate([self._owners, owners[small]])
        self._starts = np.concatenate([self._starts, begins[small]])
        self._stops = np.concatenate([self._stops, (begins + lengths[new])[small]])
        self._take_runs(self.sizes[self._owners] < self._limit)

    def _take_runs(self, chosen: Flags) -> None:
        self._owners, self._starts, self._stops = (
            each[chosen] for each in (self._owners, self._starts, self._stops)
        )

    def relabel(self, labels: Labels) -> Edits:
        """Return the edits that give areas other labels.

        Parameters
        ----------
        labels : ndarray
            uint8 ``(areas,)``; 255 leaves an area as it is.
        """
        runs = labels[self._owners] != IGNORED
        return Edits(self._starts[runs], self._stops[runs], labels[self._owners[runs]])

    def keep(self, areas: Flags, pixels: Flags) -> Whole:
        """Forget areas, or their pixels.

        Parameters
        ----------
        areas : ndarray
            bool ``(areas,)``: those that are still needed; open ones are.
        pixels : ndarray
            bool ``(areas,)``: those whose pixels are still needed.

        Returns
        -------
        ndarray
            int64: the new number of each area; -1 if it is forgotten.
        """
        self._take_runs((areas & pixels)[self._owners])
        moved = np.full(len(areas), -1, np.int64)
        moved[areas] = np.arange(np.count_nonzero(areas))
        self.labels = self.labels[areas]
        self.sizes, self._numbers = self.sizes[areas], self._numbers[areas]
        self._owners = moved[self._owners]
        return moved

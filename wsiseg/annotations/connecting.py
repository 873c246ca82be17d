"""Connects equal pixels to areas, strip by strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.labels import Labels
from wsiseg.annotations.rings import Whole

_Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class StripAreas:
    """The areas of a strip, those of the strips before that reach into it included.

    Attributes
    ----------
    labels : ndarray
        uint8 ``(areas,)``.
    of_open : ndarray
        int ``(open before,)``: the area that each area that was open before belongs to.
    still_open : ndarray
        int ``(areas,)``: the number under which each is open after this strip; -1 if it is
        finished.
    of_run : ndarray
        int ``(runs,)``: the area of every run of equal pixels.
    run_starts : ndarray
        int64 ``(runs,)``: where each run begins, counted in the framed strip.
    """

    labels: Labels
    of_open: _Ids
    still_open: _Ids
    of_run: _Ids
    run_starts: Whole

    def at(self, pixels: Whole) -> _Ids:
        """Return the areas of pixels, counted in the framed strip."""
        return self.of_run[np.searchsorted(self.run_starts, pixels, side="right") - 1]

    def sums(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the sum of the values of all pixels of each area.

        Parameters
        ----------
        values : ndarray
            uint8 ``(rows + 1, width + 2)``, as the framed strip.
        """
        sums = np.add.reduceat(values.ravel(), self.run_starts, dtype=np.int64)
        of_areas = np.bincount(self.of_run, weights=sums, minlength=len(self.labels))
        return of_areas.astype(np.float64)


class Connector:
    """Finds the areas of one strip after the other.

    Pixels are connected by their sides.

    Parameters
    ----------
    ignored : int
        The label of pixels that belong to no area.
    """

    def __init__(self, ignored: int) -> None:
        self._ignored = ignored
        self._open_of_run = np.full(1, -1, np.int32)
        self.open = 0

    def add(self, framed: Labels) -> StripAreas:
        """Return the areas of a strip.

        Parameters
        ----------
        framed : ndarray
            uint8 ``(rows + 1, width + 2)``: the last row of the strip before, then the rows of
            this one.
        """
        begins = np.ones(framed.shape, bool)
        np.not_equal(framed[:, 1:], framed[:, :-1], out=begins[:, 1:])
        run_starts = np.flatnonzero(begins)
        run_labels = framed.ravel()[run_starts]
        runs = len(run_starts)
        one, other = self._touching(framed, begins)
        carried = np.flatnonzero(self._open_of_run >= 0)
        one = np.concatenate([one, carried])
        other = np.concatenate([other, runs + self._open_of_run[carried]])
        nodes = runs + self.open
        # Few runs need it, and it takes a while to import.
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        links = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(nodes, nodes))
        count, area = connected_components(links, directed=True, connection="weak")
        of_run, of_open = area[:runs], area[runs:]
        labels = np.empty(count, np.uint8)
        labels[of_run] = run_labels
        last = slice(runs - np.count_nonzero(begins[-1]), runs)
        reaching = of_run[last][run_labels[last] != self._ignored]
        numbered = np.unique(reaching)
        still_open = np.full(count, -1, np.int32)
        still_open[numbered] = np.arange(len(numbered))
        self._open_of_run = np.where(
            run_labels[last] == self._ignored, -1, still_open[of_run[last]]
        )
        self.open = len(numbered)
        return StripAreas(labels, of_open, still_open, of_run, run_starts)

    def _touching(self, framed: Labels, begins: npt.NDArray[np.bool_]) -> tuple[_Ids, _Ids]:
        """Return pairs of runs that lie over each other and are equal."""
        run = np.cumsum(begins.ravel(), dtype=np.int32)
        run -= 1
        # Where runs of neighbouring rows overlap, one of the two begins.
        touching = begins[1:] | begins[:-1]
        touching &= framed[1:] == framed[:-1]
        touching &= framed[1:] != self._ignored
        upper = np.flatnonzero(touching)
        return run[upper], run[upper + framed.shape[1]]

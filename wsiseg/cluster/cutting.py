"""Cuts what is to be filled into runs of whole bands, so that all workers end at about one time.

A tile that reaches over a cut is done on both sides, so cuts lie where few do, and are no more than
are worthwhile.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wsiseg.segmentation.resuming import cut_into_bands
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.covering import Cover

_ROUNDS = 3
"""Runs per worker, at most."""

_NEVER = np.iinfo(np.int64).max

Run = tuple[int, Box]
"""Pixels that go through the network, and the part of the plane."""


def cut_into_runs(boxes: Sequence[Box], cover: Cover, workers: int, *, whole: bool) -> list[Box]:
    """Return runs of whole bands that together are some boxes.

    Parameters
    ----------
    boxes : sequence of Box
        Whole bands each, one below the other.
    cover : Cover
        The tiles.
    workers : int
        How many work side by side.
    whole : bool
        A tile's halo counts too, as in blending.

    Returns
    -------
    list of Box
        In the order in which they are to be begun: the costliest first.
    """
    columns = [_Column(box, cover, whole=whole) for box in boxes]
    pixels = sum(column.pixels for column in columns)
    best: list[Run] = []
    for count in range(workers, workers * _ROUNDS + 1):
        share = max(1, pixels // count)
        runs = [run for column in columns for run in column.cut(share)]
        if not best or _last_end(runs, workers) < _last_end(best, workers):
            best = runs
    return [box for _, box in sorted(best, key=lambda run: -run[0])]


class _Column:
    """A box, and what each run of its bands costs."""

    def __init__(self, box: Box, cover: Cover, *, whole: bool) -> None:
        self._bands = cut_into_bands(box)
        tiles = cover.reaching(box, whole=whole)
        reaches = [tile.box if whole else tile.core for tile in tiles]
        areas = np.array([tile.box.area for tile in tiles], np.int64)
        tops = np.array([band.y for band in self._bands])
        bottoms = np.array([band.bottom for band in self._bands])
        begun = _sum_below(np.array([reach.y for reach in reaches]), areas, bottoms)
        over = _sum_below(np.array([reach.bottom for reach in reaches]) - 1, areas, tops)
        # Pixels of the tiles that reach a run from one band to another, that one included.
        self._costs: npt.NDArray[np.int64] = begun[None, :] - over[:, None]
        self.pixels = int(self._costs[0, -1])

    def cut(self, share: int) -> list[Run]:
        """Cut into runs of about `share` pixels each, the costliest as cheap as possible."""
        number = len(self._bands)
        count = min(number, max(1, round(self.pixels / share)))
        upper = np.triu(np.ones((number, number), bool))
        costs = np.where(upper, self._costs, _NEVER)
        # best[last]: the costliest of the runs that the bands up to the last are cut into.
        best, choices = costs[0], []
        for _ in range(count - 1):
            before = np.concatenate([[0], best[:-1]])
            worst = np.maximum(before[:, None], costs)
            choices.append(worst.argmin(axis=0))
            best = worst.min(axis=0)
        firsts, last = [], number - 1
        for choice in reversed(choices):
            first = int(choice[last])
            if first == 0:
                break
            firsts.append(first)
            last = first - 1
        places = [0, *reversed(firsts), number]
        return [self._run(first, end) for first, end in itertools.pairwise(places)]

    def _run(self, first: int, end: int) -> Run:
        top, bottom = self._bands[first], self._bands[end - 1].bottom
        return int(self._costs[first, end - 1]), Box(top.y, top.x, bottom - top.y, top.width)


def _sum_below(
    rows: npt.NDArray[np.int64], areas: npt.NDArray[np.int64], limits: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the sum of the areas whose row is below each limit."""
    order = np.argsort(rows, kind="stable")
    sums = np.concatenate([[0], np.cumsum(areas[order])])
    return sums[np.searchsorted(rows[order], limits, side="left")]


def _last_end(runs: Sequence[Run], workers: int) -> int:
    """Return when the last worker ends, if each free one takes the costliest run that is left."""
    ends = [0] * workers
    for cost, _ in sorted(runs, reverse=True, key=lambda run: run[0]):
        heapq.heappush(ends, heapq.heappop(ends) + cost)
    return max(ends)

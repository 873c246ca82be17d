"""Traces the outlines of areas of equal pixels, strip by strip, however large the mask.

What is kept in memory are the outlines of areas that reach into the last row; they are dissolved
across strips, so the outlines do not depend on how the rows were cut up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from wsiseg.annotations.connecting import Connector, StripAreas
from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.annotations.pixel_edges import Chains, follow_edges
from wsiseg.annotations.rings import Corners, Rings, Whole, offsets


@dataclass(frozen=True)
class TracedAreas:
    """Areas of equal pixels, each with an outline and holes.

    Outlines follow the edges of pixels.  No ring touches itself; holes touch others at corners at
    most.

    Attributes
    ----------
    labels : ndarray
        uint8 ``(areas,)``.
    pixels : ndarray
        int64 ``(areas,)``: the number of their pixels.
    totals : ndarray
        float64 ``(areas,)``: the sum of the values that were given with the pixels; 0 if none
        were.
    rings : Rings
        ``x, y`` of the corners of pixels.  Outlines run from x to y, holes the other way.
    starts : ndarray
        int64 ``(areas + 1,)``: the outline of each area among the rings, after which its holes
        follow.
    """

    labels: Labels
    pixels: Whole
    totals: npt.NDArray[np.float64]
    rings: Rings
    starts: Whole

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: npt.NDArray[np.bool_]) -> TracedAreas:
        """Return some of the areas."""
        counts = np.diff(self.starts)
        rings = self.rings.take(np.repeat(chosen, counts))
        starts = offsets(counts[chosen])
        return TracedAreas(
            self.labels[chosen], self.pixels[chosen], self.totals[chosen], rings, starts
        )

    def polygons(
        self, scale: float = 1.0, origin: tuple[float, float] = (0.0, 0.0)
    ) -> npt.NDArray[Any]:
        """Return the areas as valid polygons.

        Parameters
        ----------
        scale : float
            Length of a pixel.
        origin : tuple of float
            ``(y, x)`` of the corner of the first pixel.
        """
        return self.polygons_at(self.rings.corners[:, :2] * scale + np.array(origin)[::-1])

    def polygons_at(self, points: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        """Return the areas as polygons whose corners lie elsewhere.

        Parameters
        ----------
        points : ndarray
            float64 ``(corners, 2)``: where each corner of the rings lies, ``x, y``.
        """
        if not len(self):
            return np.empty(0, object)
        ring = np.repeat(np.arange(len(self.rings)), self.rings.lengths)
        rings = shapely.linearrings(points, indices=ring)
        area = np.repeat(np.arange(len(self)), np.diff(self.starts))
        return np.asarray(shapely.polygons(rings, indices=area))


class AreaTracer:
    """Traces the areas of a mask that is given strip by strip.

    Pixels are connected by their sides.

    Parameters
    ----------
    width : int
        Pixels in a row.
    ignored : int
        The label of pixels to leave out.
    junctions : bool
        Whether points where outlines of others end are corners of a straight one, too, so that
        neighbours have all corners between them in common.

    Examples
    --------
    >>> tracer = AreaTracer(3)
    >>> found = [tracer.add(np.array([row], np.uint8)) for row in ([0, 0, 255], [0, 0, 1])]
    >>> [len(areas) for areas in found]
    [0, 0]
    >>> areas = tracer.finish()
    >>> areas.labels.tolist(), areas.pixels.tolist()
    ([0, 1], [4, 1])
    """

    def __init__(self, width: int, *, ignored: int = IGNORED, junctions: bool = False) -> None:
        self._ignored = ignored
        self._junctions = junctions
        self._connector = Connector(ignored)
        self._row = np.full(width + 2, ignored, np.uint8)
        self._top = 0
        self._totals = np.zeros(0)
        self._open = _OpenOutlines()
        self._waiting: list[_Closed] = []

    def add(self, rows: Labels, values: npt.NDArray[Any] | None = None) -> TracedAreas:
        """Take the next rows.

        Parameters
        ----------
        rows : ndarray
            uint8 ``(n, width)``.
        values : ndarray, optional
            uint8 ``(n, width)``: values to sum up for each area.

        Returns
        -------
        TracedAreas
            Those that do not reach into the last row, from top to bottom.
        """
        framed = np.pad(rows, ((1, 0), (1, 1)), constant_values=self._ignored)
        framed[0] = self._row
        areas = self._connector.add(framed)
        chains = follow_edges(framed, self._top, self._ignored, junctions=self._junctions)
        totals = np.zeros(len(areas.labels))
        np.add.at(totals, areas.of_open, self._totals)
        if values is not None:
            totals += areas.sums(np.pad(values, ((1, 0), (1, 1))))
        self._row = framed[-1].copy()
        self._top += len(rows)
        self._totals = totals[areas.still_open >= 0]
        waiting = [each.owned_by(areas.of_open[each.owner]) for each in self._waiting]
        waiting.append(self._close(chains, areas))
        finished: list[_Closed] = []
        self._waiting = []
        for each in waiting:
            number = areas.still_open[each.owner]
            finished.append(each.take(number < 0))
            if (number >= 0).any():
                self._waiting.append(each.take(number >= 0).owned_by(number[number >= 0]))
        return _assemble(finished, areas.labels, totals)

    def finish(self) -> TracedAreas:
        """Return the areas that are left, as there are no more rows."""
        return self.add(np.full((1, len(self._row) - 2), self._ignored, np.uint8))

    def _close(self, chains: Chains, areas: StripAreas) -> _Closed:
        """Return all rings that close in a strip."""
        opened = chains.descending + chains.rising
        closed = np.arange(opened, len(chains.starts) - 1)
        joined, sources = self._open.add(chains)
        rings = Rings(chains.corners, chains.starts).take(closed)
        rings = Rings.concatenate([rings, Rings.pack(joined)])
        inside = chains.insides[
            np.concatenate([np.arange(chains.descending, len(chains.insides)), sources])
        ]
        rings, parts = rings.split_where_they_touch()
        first = rings.first_pixels(len(self._row))
        return _Closed(rings, areas.at(inside)[parts], rings.doubled_areas() // 2, first)


@dataclass(frozen=True)
class _Closed:
    """Rings that are closed, while their areas are not all finished.

    Attributes
    ----------
    rings : Rings
        The rings.
    owner : ndarray
        int ``(rings,)``: the area of each.
    pixels : ndarray
        int64 ``(rings,)``: how many each encloses, negative for holes.
    first : ndarray
        int64 ``(rings,)``: the place of the topmost corner of each.
    """

    rings: Rings
    owner: npt.NDArray[Any]
    pixels: Whole
    first: Whole

    def owned_by(self, owner: npt.NDArray[Any]) -> _Closed:
        """Return them with other numbers of their areas."""
        return replace(self, owner=owner)

    def take(self, chosen: npt.NDArray[np.bool_]) -> _Closed:
        """Return some of them."""
        if chosen.all():
            return self
        rings = self.rings.take(chosen)
        return _Closed(rings, self.owner[chosen], self.pixels[chosen], self.first[chosen])


class _OpenOutlines:
    """Outlines that run on below the last row, each in one piece from there to there."""

    def __init__(self) -> None:
        # By the places at which they leave downwards: where they come up, and their corners.
        self._leaving: list[tuple[int, _Rope]] = []

    def add(self, chains: Chains) -> tuple[list[Corners], npt.NDArray[np.int64]]:
        """Join the chains of the next strip to them.

        Returns
        -------
        list of ndarray
            The outlines that are closed by now.
        ndarray
            int64: of each, a chain that comes from above and is part of it.
        """
        before = self._leaving
        rising = {up: down for down, (up, _) in enumerate(before)}
        used = [False] * chains.descending
        after: list[tuple[int, _Rope]] = [(0, None)] * chains.leaving

        def corners(chain: int) -> _Rope:
            start, end = chains.starts[chain : chain + 2].tolist()
            # A copy: the others of the strip are not kept.
            return chains.corners[start:end].copy() if end > start else None

        def follow(
            rope: _Rope, end: tuple[bool, int], first: int
        ) -> tuple[_Rope, tuple[bool, int]]:
            """Follow an outline until it leaves below, or comes back to where it began."""
            while end[0]:
                down = rising[end[1]]
                rope = _join(rope, before[down][1])
                if down == first:
                    break
                used[down] = True
                rope, end = _join(rope, corners(down)), chains.ends[down]
            return rope, end

        for up in range(chains.rising):
            chain = chains.descending + up
            rope, (_, down) = follow(corners(chain), chains.ends[chain], -1)
            after[down] = up, rope
        closed, sources = [], []
        for down in range(chains.descending):
            if not used[down]:
                used[down] = True
                rope, _ = follow(corners(down), chains.ends[down], down)
                closed.append(_flatten(rope))
                sources.append(down)
        self._leaving = after
        return closed, np.array(sources, np.int64)


_Rope = Any
"""Corners of an outline: None, an array, or a pair of ropes, which are joined at no cost."""


def _join(one: _Rope, other: _Rope) -> _Rope:
    if one is None or other is None:
        return other if one is None else one
    return one, other


def _flatten(rope: _Rope) -> Corners:
    parts, waiting = [], [rope]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting += reversed(part)
        else:
            parts.append(part)
    return np.concatenate(parts)


def _assemble(
    closed: list[_Closed], labels: Labels, totals: npt.NDArray[np.float64]
) -> TracedAreas:
    """Put rings together to areas, from top to bottom, the outline of each first."""
    rings = Rings.concatenate([each.rings for each in closed])
    if not len(rings):
        nothing = np.empty(0, np.int64)
        return TracedAreas(labels[nothing], nothing, totals[nothing], rings, np.zeros(1, np.int64))
    owner = np.concatenate([each.owner for each in closed])
    pixels = np.concatenate([each.pixels for each in closed])
    first = np.concatenate([each.first for each in closed])
    outlines = np.flatnonzero(pixels > 0)
    rank = np.empty(len(labels), np.int64)
    rank[owner[outlines]] = first[outlines]
    # No two areas have the same topmost corner.
    order = np.lexsort((first, pixels < 0, rank[owner]))
    begins = np.flatnonzero(np.diff(owner[order], prepend=-1))
    found = owner[order][begins]
    return TracedAreas(
        labels[found],
        np.add.reduceat(pixels[order], begins),
        totals[found],
        rings.take(order),
        np.append(begins, len(order)),
    )

"""Simplifies outlines within a tolerance, so that neighbours keep their border in common.

An outline is cut where outlines of more than two areas meet, and each piece is simplified by
itself (Douglas and Peucker 1973).  Neighbours have the same pieces, so what becomes of them does
not depend on which other areas are in memory: shapely's ``coverage_simplify`` wants all of them,
and its tolerance is no distance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from wsiseg.annotations.rings import Rings, Whole, offsets
from wsiseg.annotations.tracing import TracedAreas

_LEAST = 0.5
"""Pixels: the tolerance below which a piece is left as it is."""

_AT_ONCE = 2**18
"""Corners of rings that are cut at a time."""

_Shapes = npt.NDArray[Any]

Edges = npt.NDArray[np.float64]


def simplify_areas(
    areas: TracedAreas, tolerance: float, columns: Edges, rows: Edges
) -> TracedAreas:
    """Return areas with fewer corners, each as valid as before where it will lie.

    Parameters
    ----------
    areas : TracedAreas
        Traced with junctions.
    tolerance : float
        Pixels: no corner that is left out is farther than that from what is left.
    columns, rows : ndarray
        float64: where the edges of the pixels will lie.  What is valid in whole pixels need not be
        so there: a corner that touched a slanting side may be on its other side once both are
        rounded.

    Returns
    -------
    TracedAreas
        The same areas, with other rings.  Where a ring would cross another one or itself, or would
        vanish, the pieces in question are simplified less.
    """
    if not len(areas):
        return areas
    pieces = _Pieces(areas, columns, rows)
    tolerances = np.full(len(pieces), float(tolerance))
    unsure = np.ones(len(pieces), bool)
    while unsure.any():
        pieces.simplify(unsure, tolerances)
        unsure = pieces.spoiled(tolerances) & (tolerances > 0)
        tolerances[unsure] /= 2
        tolerances[tolerances < _LEAST] = 0
    return replace(areas, rings=pieces.rings())


class _Pieces:
    """Outlines that are cut where they meet others.

    Parameters
    ----------
    areas : TracedAreas
        Traced with junctions.
    columns, rows : ndarray
        float64: where the edges of the pixels will lie.
    """

    def __init__(self, areas: TracedAreas, columns: Edges, rows: Edges) -> None:
        self._areas = areas
        self._columns, self._rows = columns, rows
        # The ground of a slide is one area with all that lies on it as holes.
        cut = [
            _cut(areas.rings.take(np.arange(first, last)), first)
            for first, last in _portions(areas.rings)
        ]
        self._ring, self._turned, self._exact = (
            np.concatenate([part[field] for part in cut]) for field in range(3)
        )
        self._area = np.repeat(np.arange(len(areas)), np.diff(areas.starts))[self._ring]
        self._now = self._exact.copy()

    def __len__(self) -> int:
        return len(self._exact)

    def simplify(self, chosen: npt.NDArray[np.bool_], tolerances: npt.NDArray[np.float64]) -> None:
        """Simplify some of the pieces."""
        self._now[chosen] = shapely.simplify(
            self._exact[chosen], tolerances[chosen], preserve_topology=False
        )

    def rings(self) -> Rings:
        """Return the rings as they are now."""
        points, piece = shapely.get_coordinates(self._now, return_index=True)
        begins = offsets(np.bincount(piece, minlength=len(self)))
        points = _turn(points, begins, self._turned)
        # The next piece begins with the last point of each.
        points = np.delete(points, begins[1:] - 1, axis=0)
        corners = np.zeros((len(points), 3), np.int32)
        corners[:, :2] = points
        counts = np.bincount(self._ring, weights=np.diff(begins) - 1)
        return Rings(corners, offsets(counts.astype(np.int64)))

    def spoiled(self, tolerances: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Tell which pieces make an area invalid.

        Parameters
        ----------
        tolerances : ndarray
            float64 ``(pieces,)``: those within which they were simplified; 0 where they are exact.
        """
        rings = self.rings()
        vanished = (rings.lengths < 3) | (
            np.sign(rings.doubled_areas()) != np.sign(self._areas.rings.doubled_areas())
        )
        found: npt.NDArray[np.bool_] = vanished[self._ring]
        broken = np.zeros(len(self._areas), bool)
        broken[self._area[found]] = True
        sound = self._areas.take(~broken)
        kept = np.repeat(~broken, np.diff(self._areas.starts))
        sound = replace(sound, rings=rings.take(kept))
        x, y = sound.rings.corners[:, 0], sound.rings.corners[:, 1]
        placed = np.column_stack([self._columns[x], self._rows[y]])
        valid = shapely.is_valid(sound.polygons_at(placed))
        for area in np.flatnonzero(~broken)[~valid]:
            own = np.flatnonzero(self._area == area)
            crossing = own[_crossing(self._now[own])]
            crossing = crossing[tolerances[crossing] > 0]
            # Without any that cross, a hole lies outside now.
            found[crossing if len(crossing) else own] = True
        return found


def _portions(rings: Rings) -> Iterator[tuple[int, int]]:
    """Yield the first and the end of rings that are cut at a time."""
    first = 0
    while first < len(rings):
        reach = np.searchsorted(rings.starts, rings.starts[first] + _AT_ONCE, side="right")
        last = max(first + 1, int(reach) - 1)
        yield first, last
        first = last


def _cut(rings: Rings, first: int) -> tuple[Whole, npt.NDArray[np.bool_], _Shapes]:
    """Cut rings where they meet others.

    Parameters
    ----------
    rings : Rings
        Some rings.
    first : int
        The number of the first.

    Returns
    -------
    ndarray
        Of which ring each piece is.
    ndarray
        Whether it was turned round.
    ndarray
        The pieces, as lines.
    """
    rings, cuts = _begin_at_a_cut(rings)
    owner = np.repeat(np.arange(len(rings)), rings.lengths)
    starts = np.flatnonzero(cuts)
    ring = owner[starts]
    # Each ends where the next one of its ring begins.
    following = np.r_[starts[1:], len(cuts)]
    last = np.r_[ring[1:] != ring[:-1], True]
    ends = np.where(last, rings.starts[ring], np.r_[starts[1:], 0])
    lengths = following - starts + 1
    begins = offsets(lengths)
    places = np.arange(begins[-1]) + np.repeat(starts - begins[:-1], lengths)
    places[begins[1:] - 1] = ends
    points = rings.corners[places, :2].astype(float)
    # Both neighbours walk along it in the same direction, or equally near corners would be chosen
    # differently.
    turned = _runs_backwards(points, begins)
    return ring + first, turned, _lines(_turn(points, begins, turned), begins)


def _begin_at_a_cut(rings: Rings) -> tuple[Rings, npt.NDArray[np.bool_]]:
    """Return rings that begin at a cut, and where they are cut.

    They are cut where they meet others.  Where that is nowhere or once, the topmost corner and the
    one farthest from it are taken, whichever way a ring runs.
    """
    cuts = rings.corners[:, 2].astype(bool)
    owner = np.repeat(np.arange(len(rings)), rings.lengths)
    x, y = rings.corners[:, 0].astype(np.int64), rings.corners[:, 1].astype(np.int64)
    alone = np.add.reduceat(cuts, rings.starts[:-1], dtype=np.int64) == 0
    topmost = np.lexsort((x, y, owner))[rings.starts[:-1]]
    cuts[topmost[alone]] = True
    once = np.add.reduceat(cuts, rings.starts[:-1], dtype=np.int64) == 1
    first = np.flatnonzero(cuts)[np.searchsorted(owner[cuts], np.arange(len(rings)))]
    distance = (x - x[first][owner]) ** 2 + (y - y[first][owner]) ** 2
    farthest = np.lexsort((x, y, -distance, owner))[rings.starts[:-1]]
    cuts[farthest[once]] = True
    first = np.flatnonzero(cuts)[np.searchsorted(owner[cuts], np.arange(len(rings)))]
    within = np.arange(len(owner)) - rings.starts[owner]
    shifted = (within + (first - rings.starts[:-1])[owner]) % rings.lengths[owner]
    order = rings.starts[owner] + shifted
    return Rings(rings.corners[order], rings.starts), cuts[order]


def _runs_backwards(points: npt.NDArray[Any], begins: Whole) -> npt.NDArray[np.bool_]:
    """Tell which pieces end above or left of where they begin; none ends there."""
    one, other = points[begins[:-1]], points[begins[1:] - 1]
    before: npt.NDArray[np.bool_] = (other[:, 1] < one[:, 1]) | (
        (other[:, 1] == one[:, 1]) & (other[:, 0] < one[:, 0])
    )
    return before


def _turn(
    points: npt.NDArray[np.float64], begins: Whole, turned: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return the points of pieces, some of which are turned round."""
    lengths = np.diff(begins)
    within = np.arange(len(points)) - np.repeat(begins[:-1], lengths)
    mirrored = np.repeat(lengths - 1, lengths) - within
    order = np.where(np.repeat(turned, lengths), mirrored, within) + np.repeat(begins[:-1], lengths)
    return np.asarray(points[order])


def _lines(points: npt.NDArray[Any], begins: Whole) -> _Shapes:
    return np.asarray(
        shapely.linestrings(points, indices=np.repeat(np.arange(len(begins) - 1), np.diff(begins)))
    )


def _crossing(lines: _Shapes) -> npt.NDArray[np.int64]:
    """Return which lines cross themselves or others, or touch them anywhere but at both's ends."""
    found = set(np.flatnonzero(~shapely.is_simple(lines)).tolist())
    one, other = shapely.STRtree(lines).query(lines, predicate="intersects")
    one, other = one[one < other], other[one < other]
    common = shapely.intersection(lines[one], lines[other])
    ends = shapely.intersection(shapely.boundary(lines[one]), shapely.boundary(lines[other]))
    apart = ~shapely.equals(common, ends)
    found.update(one[apart].tolist(), other[apart].tolist())
    return np.array(sorted(found), np.int64)

"""Counts what the perimeters of components are made of, strip by strip.

The estimate is that of K. Benkrid and D. Crookes, as in :func:`skimage.measure.perimeter` with 4
neighbours.  A pixel is on the border of its component if one of those at its sides is of another
class.  What it adds to the perimeter depends on how many of its neighbours are on the border of the
same component.  Neighbours at its sides that are of its class are of its component, too; of one at
its corner that may become known many rows later, where both areas meet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.connecting import StripAreas
from wsiseg.annotations.labels import Labels

STEPS = np.array([1.0, np.sqrt(2), (1 + np.sqrt(2)) / 2])
"""Lengths that a pixel may add to a perimeter, in pixels."""

_STEP = np.zeros((5, 5), np.int64)
"""By the border pixels at its sides and corners: which of them a pixel adds, from 1; 0 for none."""
for _step, _neighbours in (
    (1, ((2, 0), (3, 0), (2, 1), (3, 1), (2, 2), (3, 2))),
    (2, ((0, 2), (1, 3))),
    (3, ((1, 1), (1, 2))),
):
    for _sides_and_corners in _neighbours:
        _STEP[_sides_and_corners] = _step

_Whole = npt.NDArray[Any]


@dataclass(frozen=True)
class _Waiting:
    """Border pixels with a neighbour at a corner of which it is not known whose it is.

    Attributes
    ----------
    owner : ndarray
        int ``(n,)``: the open area of each.
    others : ndarray
        int ``(n, 4)``: the open areas of such neighbours; -1 where there is none.
    sides, corners : ndarray
        int ``(n,)``: how many of its other neighbours are on the border of its component.
    """

    owner: _Whole
    others: _Whole
    sides: _Whole
    corners: _Whole

    def take(self, chosen: _Whole) -> _Waiting:
        """Return some of them."""
        return _Waiting(
            self.owner[chosen], self.others[chosen], self.sides[chosen], self.corners[chosen]
        )

    def joined(self, other: _Waiting) -> _Waiting:
        """Return these and others."""
        return _Waiting(
            np.concatenate([self.owner, other.owner]),
            np.concatenate([self.others, other.others]),
            np.concatenate([self.sides, other.sides]),
            np.concatenate([self.corners, other.corners]),
        )


def _nobody() -> _Waiting:
    none = np.zeros(0, np.int64)
    return _Waiting(none, np.zeros((0, 4), np.int64), none, none)


class PerimeterCounter:
    """Counts the steps along the borders of the areas that a Connector finds.

    Parameters
    ----------
    width : int
        Pixels in a row.
    ignored : int
        The label of pixels that belong to no area.
    """

    def __init__(self, width: int, ignored: int) -> None:
        self._ignored = ignored
        # Of the two rows above the framed strip: the labels, and whose the pixels of the last are.
        self._above = np.full((2, width + 2), ignored, np.uint8)
        self._open_above: _Whole = np.full(width + 2, -1, np.int64)
        self._waiting = _nobody()

    def add(self, framed: Labels, below: Labels, areas: StripAreas) -> npt.NDArray[np.int64]:
        """Count the pixels of all rows of a framed strip but the last.

        An area that ends in the strip is complete, as it does not reach into the last row.

        Parameters
        ----------
        framed : ndarray
            uint8 ``(rows + 1, width + 2)``, as the Connector takes it.
        below : ndarray
            uint8 ``(width,)``: the row after the strip.
        areas : StripAreas
            What the Connector has found in it.

        Returns
        -------
        ndarray
            int64 ``(areas, 3)``: how many pixels add each of the lengths :data:`STEPS`.
        """
        below = np.pad(below[None], ((0, 0), (1, 1)), constant_values=self._ignored)
        labels = np.concatenate([self._above, framed, below])
        counts, found = self._find(labels, areas)
        whose = np.append(areas.of_open, -1)
        before = replace(
            self._waiting, owner=whose[self._waiting.owner], others=whose[self._waiting.others]
        )
        more, self._waiting = _settle(before.joined(found), areas)
        counts += more
        self._above = labels[-4:-2].copy()
        row = np.arange(framed.size - 2 * framed.shape[1], framed.size - framed.shape[1])
        self._open_above = areas.still_open[areas.at(row)]
        return counts

    def _find(self, labels: Labels, areas: StripAreas) -> tuple[_Whole, _Waiting]:
        """Count the border pixels of a strip, and return those of which not all is known."""
        width = labels.shape[1]
        border = np.zeros(labels.shape, bool)
        middle = labels[1:-1, 1:-1]
        differs = middle != labels[:-2, 1:-1]
        for beside in (labels[2:, 1:-1], labels[1:-1, :-2], labels[1:-1, 2:]):
            differs |= middle != beside
        np.logical_and(differs, middle != self._ignored, out=border[1:-1, 1:-1])
        pixels = np.flatnonzero(border[2:-2]) + 2 * width
        flat, on_border = labels.ravel(), border.ravel()
        own = flat[pixels]
        same = {step: flat[pixels + step] == own for step in (-width, width, -1, 1)}
        sides = sum(each & on_border[pixels + step] for step, each in same.items())
        corners = np.zeros(len(pixels), np.int64)
        doubtful = []
        for down, across in product((-width, width), (-1, 1)):
            there = pixels + down + across
            seen = (flat[there] == own) & on_border[there]
            joined = same[down] | same[across]
            corners += seen & joined
            doubtful.append(seen & ~joined)
        # The strip begins two rows below.
        owner = areas.at(pixels - 2 * width)
        unknown = np.flatnonzero(np.any(doubtful, axis=0))
        known = np.ones(len(pixels), bool)
        known[unknown] = False
        counts = _count(owner[known], np.asarray(sides)[known], corners[known], len(areas.labels))
        others = np.full((len(unknown), 4), -1)
        part = _Waiting(owner[unknown], others, np.asarray(sides)[unknown], corners[unknown])
        for number, (down, across) in enumerate(product((-width, width), (-1, 1))):
            those = np.flatnonzero(doubtful[number][unknown])
            there = pixels[unknown[those]] + down + across - 2 * width
            part.others[those, number] = self._areas_at(there, areas, width)
        return counts, part

    def _areas_at(self, places: _Whole, areas: StripAreas, width: int) -> _Whole:
        """Return the areas of pixels of the framed strip, or of the row above it (-1 if ended)."""
        found = np.full(len(places), -1, np.int64)
        inside = places >= 0
        found[inside] = areas.at(places[inside])
        above = self._open_above[places[~inside] + width]
        found[~inside] = np.append(areas.of_open, -1)[above]
        return found


def _settle(found: _Waiting, areas: StripAreas) -> tuple[_Whole, _Waiting]:
    """Count the pixels of which all is known by now; return the others, for the next strip."""
    own = found.others == found.owner[:, None]
    corners = found.corners + own.sum(axis=1)
    still_open = np.append(areas.still_open, -1)
    # With an area that has ended nothing will be joined.
    others = np.where(own, -1, still_open[found.others])
    owner = still_open[found.owner]
    known = (owner < 0) | (others < 0).all(axis=1)
    counts = _count(found.owner[known], found.sides[known], corners[known], len(areas.labels))
    return counts, _Waiting(owner, others, found.sides, corners).take(~known)


def _count(owner: _Whole, sides: _Whole, corners: _Whole, areas: int) -> _Whole:
    """Return how many pixels of each area add each length."""
    kinds = len(STEPS) + 1
    flat = owner.astype(np.int64) * kinds + _STEP[sides, corners]
    return np.bincount(flat, minlength=areas * kinds).reshape(areas, kinds)[:, 1:]

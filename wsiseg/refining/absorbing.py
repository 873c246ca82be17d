"""Gives small areas to the classes around them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.connecting import StripAreas
from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.refining.editing import edit
from wsiseg.refining.small_areas import Edits, Flags, SmallAreas, Whole
from wsiseg.refining.spooling import Rows

DEEPEST = 16
"""Small areas between one and the next that is not small; what lies deeper stays.

Without an end, the decision on an area in a field of specks could depend on the slide's last row.
"""

_Borders = npt.NDArray[np.int64]
"""int64 ``(3, borders)``: two areas, and how many sides they share."""

_Votes = npt.NDArray[np.int64]
"""int64 ``(4, votes)``: an area, a label beside it, how many sides, and how deep that lies: 0 for
areas that are not small."""


def absorb_small_areas(rows: Rows, pixels: int) -> Iterator[Labels]:
    """Yield the rows of a mask with its small areas given to the classes around them.

    Areas are connected by sides.  A small area takes the class of the areas that are not small with
    which it shares the longest border; of equals the lowest label.  One that touches none of them
    takes, when those around it have got their classes, the one with which it then shares the
    longest border; and so on, inwards, :data:`DEEPEST` times.  What is not reached stays: an island
    of small areas in what was not analysed, for instance.

    Parameters
    ----------
    rows : callable
        Gives the rows.
    pixels : int
        Areas of fewer pixels are small.

    Yields
    ------
    ndarray
        uint8 ``(n, width)``.

    Examples
    --------
    >>> speck = np.array([[0, 0, 0, 1, 1], [0, 2, 0, 1, 1], [0, 0, 0, 1, 1]], np.uint8)
    >>> (clean,) = absorb_small_areas(lambda: iter([speck]), pixels=3)
    >>> clean.tolist()
    [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1]]
    """
    return edit(rows, [_Absorber(pixels)])


class _Absorber:
    """Finds small areas, and the classes around them."""

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._areas: SmallAreas | None = None
        self._width = 0
        # Between small areas, and of small areas with what has its label.
        self._inner: _Borders = np.empty((3, 0), np.int64)
        self._outer: _Votes = np.empty((4, 0), np.int64)

    @property
    def waiting(self) -> int | None:
        return None if self._areas is None else self._areas.waiting

    def add(self, rows: Labels) -> Edits:
        if self._areas is None:
            self._width = rows.shape[1]
            self._areas = SmallAreas(self._width, self._pixels)
        all_areas = self._areas
        areas, framed, moved = all_areas.add(rows)
        self._inner[:2] = moved[self._inner[:2]]
        self._outer[0] = moved[self._outer[0]]
        small = all_areas.small
        self._sort(np.concatenate([self._inner, _borders(framed, areas, small)], axis=1), small)
        taken, left = self._decide(small, all_areas.open)
        edits = all_areas.relabel(taken)
        numbers = all_areas.keep(all_areas.open | left, pixels=left)
        self._inner = self._inner[:, left[self._inner[0]] & left[self._inner[1]]]
        self._outer = self._outer[:, left[self._outer[0]]]
        self._inner[:2] = numbers[self._inner[:2]]
        self._outer[0] = numbers[self._outer[0]]
        return edits

    def finish(self) -> Edits:
        return self.add(np.full((1, self._width), IGNORED, np.uint8))

    def _sort(self, borders: _Borders, small: Flags) -> None:
        """Tell borders between small areas from those with others, of which labels are enough."""
        assert self._areas is not None
        one, other, _ = borders
        inner = small[one] & small[other]
        self._inner = borders[:, inner]
        outer = borders[:, small[one] != small[other]]
        one, other, sides = outer
        found = np.where(small[one], one, other), np.where(small[one], other, one)
        added = np.stack([found[0], self._areas.labels[found[1]], sides, np.zeros_like(sides)])
        known = self._outer[:, small[self._outer[0]]]
        self._outer = np.concatenate([known, added], axis=1)

    def _decide(self, small: Flags, still: Flags) -> tuple[Labels, Flags]:
        """Return what is certain by now, from the outside inwards.

        Returns
        -------
        ndarray
            uint8 ``(areas,)``: the label that each takes, 255 if none.
        ndarray
            bool ``(areas,)``: those on which later rows may decide.
        """
        taken = np.full(len(small), IGNORED, np.uint8)
        one, other, sides = np.concatenate([self._inner, self._inner[[1, 0, 2]]], axis=1)
        # One that is open may turn out not to be small: it may be no depth at all.
        doubtful = small & still
        left, reached = doubtful, ~small | doubtful
        for depth in range(DEEPEST):
            beside = np.zeros(len(small), bool)
            beside[other[doubtful[one]]] = True
            doubtful = beside & ~reached
            votes = self._outer[:, self._outer[3] == depth]
            votes = votes[:, ~(reached | doubtful)[votes[0]]]
            areas, labels = _longest(votes)
            taken[areas] = labels
            certain = np.zeros(len(small), bool)
            certain[areas] = True
            inwards = certain[one] & ~(reached | certain)[other]
            led = other[inwards], taken[one[inwards]], sides[inwards]
            deeper = np.stack([*led, np.full(len(led[0]), depth + 1)])
            self._outer = np.concatenate([self._outer, deeper], axis=1)
            left = left | doubtful
            reached = reached | doubtful | certain
            if reached.all():
                break
        return taken, left


def _longest(votes: _Votes) -> tuple[Whole, Labels]:
    """Return areas, and the label with which each shares most sides, the lowest of equals."""
    key, which = np.unique(votes[0] * (IGNORED + 1) + votes[1], return_inverse=True)
    sides = np.bincount(which, weights=votes[2])
    area, label = np.divmod(key, IGNORED + 1)
    order = np.lexsort((label, -sides, area))
    first = order[np.flatnonzero(np.diff(area[order], prepend=-1))]
    return area[first], label[first].astype(np.uint8)


def _borders(framed: Labels, areas: StripAreas, small: Flags) -> _Borders:
    """Return the borders of small areas with others in a strip."""
    width, starts, of_run = framed.shape[1], areas.run_starts, areas.of_run
    wanted, known = small, areas.labels != IGNORED
    # Beside each other; those of the row before were found with it.
    after = np.flatnonzero((starts % width > 0) & (starts >= width))
    one, other = of_run[after - 1], of_run[after]
    beside = (wanted[one] | wanted[other]) & known[one] & known[other]
    pairs = [np.stack([one[beside], other[beside], np.ones(np.count_nonzero(beside), np.int64)])]
    # Over each other: where runs of neighbouring rows overlap, one of the two begins.
    begins = np.zeros(framed.shape, bool)
    begins.ravel()[starts] = True
    places = np.flatnonzero(begins[1:] | begins[:-1])
    sides = np.diff(places, append=framed.size - width)
    differ = framed.ravel()[places] != framed.ravel()[places + width]
    places, sides = places[differ], sides[differ]
    one, other = areas.at(places), areas.at(places + width)
    over = (wanted[one] | wanted[other]) & known[one] & known[other]
    pairs.append(np.stack([one[over], other[over], sides[over]]))
    return np.concatenate(pairs, axis=1).astype(np.int64)

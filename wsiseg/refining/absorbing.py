"""Gives small areas to the classes around them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from wsiseg.annotations.connecting import StripAreas
from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.refining.editing import edit
from wsiseg.refining.small_areas import Edits, Flags, SmallAreas, Whole
from wsiseg.refining.spooling import Rows

_Border = npt.NDArray[np.int64]
"""int64 ``(3, borders)``: two areas, or an area and a label, and how many sides they share."""


def absorb_small_areas(rows: Rows, pixels: int) -> Iterator[Labels]:
    """Yield the rows of a mask with its small areas given to the classes around them.

    Areas are connected by sides.  A small area takes the class of the areas that are not small with
    which it shares the longest border; of equals the lowest label.  One that touches none of them
    takes, when those around it have got their classes, the one with which it then shares the
    longest border; and so on, inwards.  Small areas that not even others lead to one that is not
    small, as all of them lie in what was not analysed, stay.

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
        # Between small areas, and of small areas with labels.
        self._inner = np.empty((3, 0), np.int64)
        self._outer = np.empty((3, 0), np.int64)

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
        small, still = all_areas.small, all_areas.open
        self._sort(np.concatenate([self._inner, _borders(framed, areas, small)], axis=1), small)
        ready = self._find_ready(small, still)
        taken = self._take_classes(ready)
        edits = all_areas.relabel(taken)
        left = small & ~ready
        numbers = all_areas.keep(still | left, pixels=left)
        self._inner = self._inner[:, left[self._inner[0]]]
        self._outer = self._outer[:, left[self._outer[0]]]
        self._inner[:2] = numbers[self._inner[:2]]
        self._outer[0] = numbers[self._outer[0]]
        return edits

    def finish(self) -> Edits:
        return self.add(np.full((1, self._width), IGNORED, np.uint8))

    def _sort(self, borders: _Border, small: Flags) -> None:
        """Tell borders between small areas from those with others, of which labels are enough."""
        assert self._areas is not None
        one, other, _ = borders
        inner = small[one] & small[other]
        self._inner = borders[:, inner]
        outer = borders[:, small[one] != small[other]]
        one, other, sides = outer
        found = np.where(small[one], one, other), np.where(small[one], other, one)
        added = np.stack([found[0], self._areas.labels[found[1]], sides])
        known = self._outer[:, small[self._outer[0]]]
        self._outer = np.concatenate([known, added], axis=1)

    def _find_ready(self, small: Flags, still: Flags) -> Flags:
        """Return the small areas in groups of which none can grow any more."""
        one, other, _ = self._inner
        links = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(small),) * 2)
        count, group = connected_components(links, directed=False)
        growing = np.zeros(count, bool)
        growing[group[small & still]] = True
        ready: Flags = small & ~growing[group]
        return ready

    def _take_classes(self, ready: Flags) -> Labels:
        """Return the label that each area takes, 255 if it stays."""
        taken = np.full(len(ready), IGNORED, np.uint8)
        inner = self._inner[:, ready[self._inner[0]]]
        inner = np.concatenate([inner, inner[[1, 0, 2]]], axis=1)
        outer = self._outer[:, ready[self._outer[0]]]
        while outer.shape[1]:
            areas, labels = _longest(outer)
            taken[areas] = labels
            # Those that took theirs in this round lead to the next.
            inner = inner[:, taken[inner[1]] == IGNORED]
            led = taken[inner[0]] != IGNORED
            source, target, sides = inner[:, led]
            outer = np.stack([target, taken[source], sides])
            inner = inner[:, ~led]
        return taken


def _longest(outer: _Border) -> tuple[Whole, Labels]:
    """Return areas, and the label with which each shares most sides, the lowest of equals."""
    key, which = np.unique(outer[0] * (IGNORED + 1) + outer[1], return_inverse=True)
    sides = np.bincount(which, weights=outer[2])
    area, label = np.divmod(key, IGNORED + 1)
    order = np.lexsort((label, -sides, area))
    first = order[np.flatnonzero(np.diff(area[order], prepend=-1))]
    return area[first], label[first].astype(np.uint8)


def _borders(framed: Labels, areas: StripAreas, small: Flags) -> _Border:
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

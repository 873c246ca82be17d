"""Fills holes in classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.refining.editing import edit
from wsiseg.refining.small_areas import Edits, Flags, SmallAreas, Whole
from wsiseg.refining.spooling import Rows

_NOTHING = Edits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8))


@dataclass(frozen=True)
class Holes:
    """Which holes of a class are filled.

    A hole is a connected area of other labels with pixels of the class all around; it touches
    neither a third class, nor what was not analysed, nor the mask's edge.

    Attributes
    ----------
    label : int
        The class.
    inside : frozenset of int
        Labels that a hole may be of.
    pixels : int
        Holes of fewer pixels are filled.
    """

    label: int
    inside: frozenset[int]
    pixels: int


def fill_holes(rows: Rows, holes: Sequence[Holes]) -> Iterator[Labels]:
    """Yield the rows of a mask with its holes filled.

    Parameters
    ----------
    rows : callable
        Gives the rows.
    holes : sequence of Holes
        A pixel in holes of several classes belongs to the last of them.

    Yields
    ------
    ndarray
        uint8 ``(n, width)``.

    Examples
    --------
    >>> ring = np.array([[0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 1, 1, 1, 0]], np.uint8)
    >>> (filled,) = fill_holes(lambda: iter([ring]), [Holes(1, frozenset([0]), pixels=9)])
    >>> filled.tolist()
    [[0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0]]
    """
    return edit(rows, [_Filler(each) for each in holes])


class _Filler:
    """Finds the holes of one class."""

    def __init__(self, holes: Holes) -> None:
        self._holes = holes
        self._member = np.full(256, IGNORED, np.uint8)
        self._member[list(holes.inside)] = 0
        # What a hole may not touch.
        self._foreign = np.ones(256, bool)
        self._foreign[[holes.label, *holes.inside]] = False
        self._top = 0
        self._areas: SmallAreas | None = None
        self._row = np.empty(0, np.uint8)
        self._spoilt = np.empty(0, bool)

    @property
    def waiting(self) -> int | None:
        return None if self._areas is None else self._areas.waiting

    def add(self, rows: Labels) -> Edits:
        if self._areas is None:
            # No hole begins above the first pixel of its class.
            if not (rows == self._holes.label).any():
                self._top += len(rows)
                return _NOTHING
            self._areas = SmallAreas(rows.shape[1], self._holes.pixels, self._top)
            self._row = np.full(rows.shape[1] + 2, IGNORED, np.uint8)
        areas, framed, moved = self._areas.add(self._member[rows])
        spoilt = np.zeros(len(self._areas.labels), bool)
        np.logical_or.at(spoilt, moved, self._spoilt)
        whole = np.pad(rows, ((1, 0), (1, 1)), constant_values=IGNORED)
        whole[0], self._row = self._row, whole[-1].copy()
        spoilt[areas.at(_beside(self._foreign[whole], framed != IGNORED))] = True
        still = self._areas.open
        hopeful = self._areas.small & ~spoilt
        filled = np.where(hopeful & ~still, self._holes.label, IGNORED).astype(np.uint8)
        edits = self._areas.relabel(filled)
        self._areas.keep(still, pixels=hopeful)
        self._spoilt = spoilt[still]
        return edits

    def finish(self) -> Edits:
        if self._areas is None:
            return _NOTHING
        return self.add(np.full((1, len(self._row) - 2), IGNORED, np.uint8))


def _beside(foreign: Flags, member: Flags) -> Whole:
    """Return the places of members that have something foreign at a side, in reading order."""
    touching = np.zeros_like(foreign)
    touching[:, 1:] |= foreign[:, :-1]
    touching[:, :-1] |= foreign[:, 1:]
    touching[1:] |= foreign[:-1]
    touching[:-1] |= foreign[1:]
    touching &= member
    return np.flatnonzero(touching)

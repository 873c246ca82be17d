"""Many closed rings of whole pixels, packed into few arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Corners = npt.NDArray[np.int32]
"""``(n, 3)``: x, y, and whether outlines of more than two areas meet there."""

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rings:
    """Closed rings, each beginning once.

    Attributes
    ----------
    corners : ndarray
        int32 ``(n, 3)``, of one ring after the other.
    starts : ndarray
        int64 ``(rings + 1,)``: where each ring begins in them, and the end.
    """

    corners: Corners
    starts: Whole

    @classmethod
    def pack(cls, rings: Sequence[Corners]) -> Self:
        """Return rings that are arrays of their own."""
        corners = np.concatenate([np.empty((0, 3), np.int32), *rings])
        return cls(corners, offsets(np.fromiter(map(len, rings), np.int64, len(rings))))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Return the rings of several packs."""
        lengths = [np.empty(0, np.int64), *(part.lengths for part in parts)]
        corners = [np.empty((0, 3), np.int32), *(part.corners for part in parts)]
        return cls(np.concatenate(corners), offsets(np.concatenate(lengths)))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Whole:
        """Corners of each."""
        return np.diff(self.starts)

    def take(self, chosen: npt.NDArray[Any]) -> Rings:
        """Return some of the rings, by a mask or by their numbers, in that order."""
        chosen = np.arange(len(self))[chosen]
        lengths = self.lengths[chosen]
        starts = offsets(lengths)
        places = np.repeat(self.starts[chosen] - starts[:-1], lengths)
        places += np.arange(starts[-1])
        return Rings(self.corners[places], starts)

    def doubled_areas(self) -> Whole:
        """Return twice the area of each ring: positive if it runs from x to y, as outlines do."""
        following = np.arange(1, len(self.corners) + 1)
        following[self.starts[1:] - 1] = self.starts[:-1]
        x, y = self.corners[:, 0].astype(np.int64), self.corners[:, 1].astype(np.int64)
        crossed = x * y[following] - x[following] * y
        return np.asarray(np.add.reduceat(crossed, self.starts[:-1]))

    def first_pixels(self, width: int) -> Whole:
        """Return the place of the topmost, then leftmost corner of each ring, counted by rows."""
        places = self.corners[:, 1].astype(np.int64) * width + self.corners[:, 0]
        return np.asarray(np.minimum.reduceat(places, self.starts[:-1]))

    def split_where_they_touch(self) -> tuple[Rings, Whole]:
        """Return rings that never touch themselves, and of which of these rings each was a part.

        The corner of a pixel belongs to one ring twice where an area meets itself from both sides.
        There the area encloses something: what was one ring is an outline and a hole that touches
        it, or two holes.
        """
        numbers = np.arange(len(self))
        owner = np.repeat(numbers, self.lengths)
        # Only where four pixels meet of which those across are alike.
        marked = np.flatnonzero(self.corners[:, 2])
        x, y = self.corners[marked, 0], self.corners[marked, 1]
        order = np.lexsort((x, y, owner[marked]))
        same = np.ones(max(0, len(marked) - 1), bool)
        for values in (owner[marked], y, x):
            same &= values[order][1:] == values[order][:-1]
        if not same.any():
            return self, numbers
        twice = np.zeros(len(marked), bool)
        twice[order[1:][same]] = twice[order[:-1][same]] = True
        touching = marked[twice]
        touched, first = np.unique(owner[touching], return_index=True)
        groups = np.split(touching, first[1:])
        parts, sources = [], []
        for ring, places in zip(touched.tolist(), groups, strict=True):
            start, end = self.starts[ring], self.starts[ring + 1]
            found = list(_split(self.corners[start:end], (places - start).tolist()))
            parts += found
            sources += [ring] * len(found)
        kept = np.delete(numbers, touched)
        whole = Rings.concatenate([self.take(kept), Rings.pack(parts)])
        return whole, np.concatenate([kept, np.array(sources, np.int64)])


def offsets(lengths: npt.NDArray[Any]) -> Whole:
    """Return where things of these lengths begin that stand one after the other, and the end."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def _split(ring: Corners, touching: list[int]) -> Iterator[Corners]:
    """Cut a ring into those that it consists of, at the corners that it passes twice."""
    path: list[Corners] = [ring[: touching[0]]]
    seen: dict[tuple[int, int], int] = {}
    for place, end in zip(touching, [*touching[1:], len(ring)], strict=True):
        x, y, _ = ring[place].tolist()
        before = seen.pop((x, y), None)
        if before is None:
            seen[x, y] = len(path)
        else:
            yield np.concatenate(path[before:])
            del path[before:]
        path.append(ring[place:end])
    yield np.concatenate(path)

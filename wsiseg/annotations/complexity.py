"""Limits on the complexity of outlines, so that hostile files do not take hours.

Validating an outline takes time by the pairs of its edges that lie near each other, repairing it
by the points where they cross.  Both grow with the square of the corners for shapes that a program
made up, and linearly for all that people draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from wsiseg.annotations.program import Ring

_MOST_PAIRS = 500_000_000
"""Pairs of edges near each other, over all shapes of a file; some ten seconds."""

_MOST_CROSSINGS = 50_000
"""Places to be repaired, over all shapes of a file; some seconds."""

_SMALL = 8
"""Corners of a shape that is repaired sooner than looked at."""

_FREE = 10
"""Crossings of a shape that cost next to nothing: a hundred thousand cells may have one each."""

_SAMPLE = 400
_AT_ONCE, _AT_MOST = 1_000_000, 10_000_000
"""Pairs of edges in memory: about how many, and how many if most edges lie unlike the sample."""

_Segments = npt.NDArray[np.float64]
"""``(n, 2, 2)``: beginning and end, each ``x, y``."""


@dataclass
class ComplexityLimit:
    """Counts the complexity of the shapes of a file, and refuses those beyond the limits.

    Attributes
    ----------
    pairs, crossings : int
        So far; at most `_MOST_PAIRS` and `_MOST_CROSSINGS`.
    """

    pairs: int = 0
    crossings: int = 0

    def allow_check(self, rings: Iterable[Ring], title: str) -> None:
        """Refuse a shape that cannot be validated in reasonable time.

        Parameters
        ----------
        rings : iterable of Ring
            Its outlines and holes.
        title : str
            Its name in the message.

        Raises
        ------
        ValueError
            If too many of its edges lie near each other.
        """
        kept = tuple(rings)
        corners = sum(map(len, kept))
        pairs = corners * corners // 2
        if self.pairs + pairs > _MOST_PAIRS:
            pairs = _Edges(kept).pairs
        self.pairs += pairs
        if self.pairs > _MOST_PAIRS:
            raise ValueError(
                f"annotation {title} has {corners} corners whose edges run side by side, too many "
                "to be checked; simplify it"
            )

    def allow_repair(self, rings: Iterable[Ring], title: str) -> None:
        """Refuse a shape that cannot be repaired in reasonable time.

        Parameters
        ----------
        rings : iterable of Ring
            Its outlines and holes.
        title : str
            Its name in the message.

        Raises
        ------
        ValueError
            If it crosses itself too often.
        """
        kept = tuple(rings)
        if sum(map(len, kept)) <= _SMALL:
            return
        for found in _Edges(kept).crossings():
            self.crossings += max(0, found - _FREE)
            if self.crossings > _MOST_CROSSINGS:
                raise ValueError(
                    f"the outlines of annotation {title} cross each other more often than can be "
                    "repaired; draw it again"
                )


class _Edges:
    """The edges of some rings, and which lie near which.

    Parameters
    ----------
    rings : tuple of Ring
        Closed or open.

    Attributes
    ----------
    pairs : int
        About how many pairs have boxes that meet.
    """

    def __init__(self, rings: tuple[Ring, ...]) -> None:
        segments, following = [np.empty((0, 2, 2))], [np.empty(0, np.int64)]
        total = 0
        for ring in rings:
            both = np.stack([ring, np.roll(ring, -1, axis=0)], 1)
            both = both[(both[:, 0] != both[:, 1]).any(axis=1)]
            segments.append(both)
            following.append(np.roll(np.arange(total, total + len(both)), -1))
            total += len(both)
        self._segments = np.concatenate(segments)
        self._following = np.concatenate(following)
        self._lines = shapely.linestrings(self._segments)
        self._tree = shapely.STRtree(self._lines)
        # At random: edges that are alike may come at regular distances.
        sample = np.random.default_rng(0).permutation(total)[:_SAMPLE]
        met = [self._tree.query(line).size for line in self._lines[sample]]
        self.pairs = sum(met) * total // max(1, len(met)) // 2
        self._step = max(1, min(_AT_ONCE // max([1, *met]), _AT_MOST // max(1, total)))

    def crossings(self) -> Iterator[int]:
        """Yield how many more pairs meet elsewhere than where one follows the other."""
        following = self._following
        for start in range(0, len(self._lines), self._step):
            one, other = self._tree.query(self._lines[start : start + self._step])
            one = one + start
            apart = (one < other) & (following[one] != other) & (following[other] != one)
            one, other = one[apart], other[apart]
            yield int(_meet(self._segments[one], self._segments[other]).sum())


def _meet(one: _Segments, other: _Segments) -> npt.NDArray[np.bool_]:
    """Tell which edges, whose boxes meet, touch or cross each other."""
    a, b = _side(one, other[:, 0]), _side(one, other[:, 1])
    c, d = _side(other, one[:, 0]), _side(other, one[:, 1])
    return np.asarray((a * b <= 0) & (c * d <= 0))


def _side(edge: _Segments, point: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    along, aside = edge[:, 1] - edge[:, 0], point - edge[:, 0]
    return np.asarray(np.sign(along[:, 0] * aside[:, 1] - along[:, 1] * aside[:, 0]))

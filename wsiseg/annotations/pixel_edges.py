"""Follows the edges between pixels from corner to corner, in a strip of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from wsiseg.annotations.labels import Labels
from wsiseg.annotations.rings import Corners, Whole, offsets

_Nodes = npt.NDArray[np.int32]
_Mask = npt.NDArray[np.bool_]

_RIGHT, _LEFT, _DOWN, _UP = range(4)
"""Ways along an edge; the area lies on the right hand."""

_NONE = -1


@dataclass(frozen=True)
class Chains:
    """Pieces of outlines in a strip of rows.

    Where outlines run on above or below the strip, chains begin and end; these places are counted
    from left to right, on either side of the strip, those where outlines run down and those where
    they run up by themselves.  Chains stand in this order: those that come down from above, those
    that come up from below, and those that are closed.

    Attributes
    ----------
    corners : ndarray
        int32 ``(n, 3)``, see :data:`wsiseg.annotations.rings.Corners`, of one chain after the
        other.
    starts : ndarray
        int64 ``(chains + 1,)``: where each begins in them, and the end.
    insides : ndarray
        int64: a pixel within the outline of each chain, counted in the framed strip; those of
        chains that come up from below are left out.
    descending, rising : int
        How many come down from above, and up from below.
    leaving : int
        At how many places outlines run down below the strip.
    ends : list of (bool, int)
        Of each chain that is not closed: whether it ends above, and at which place.
    """

    corners: Corners
    starts: Whole
    insides: Whole
    descending: int
    rising: int
    leaving: int
    ends: list[tuple[bool, int]]


def follow_edges(framed: Labels, top: int, ignored: int, *, junctions: bool) -> Chains:
    """Return the outlines of all areas between the pixels of a strip.

    Parameters
    ----------
    framed : ndarray
        uint8 ``(rows + 1, width + 2)``: the rows of the strip with ignored pixels at both ends,
        below the last row of the strip before.
    top : int
        The first row of the strip.
    ignored : int
        The label of pixels that belong to no area.
    junctions : bool
        Whether points where outlines of others end are corners of a straight one, too.
    """
    y, x = _find_corners(framed)
    stride = framed.shape[1]
    upper_left = y * stride + x
    around = [upper_left + step for step in (0, 1, stride, stride + 1)]
    pixels = [framed.ravel()[place] for place in around]
    starts, ends = np.full((2, 4, len(x)), _NONE, np.int32)
    corner, inside = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    count = 0
    for where, arriving, leaving, pixel in _passes(*pixels, junctions=junctions):
        at = np.flatnonzero(where & (pixels[pixel] != ignored))
        nodes = np.arange(count, count + len(at))
        ends[arriving, at] = starts[leaving, at] = nodes
        corner.append(at)
        inside.append(around[pixel][at])
        count += len(at)
    above = _Crossings(framed[0], ignored, count)
    below = _Crossings(framed[-1], ignored, above.stop)
    following = np.full(below.stop, _NONE, np.int32)
    for way in (_RIGHT, _LEFT):
        # Along a row, the edges of one way lie one after the other; so they do along a column.
        _link(following, starts[way], ends[way])
    order = np.argsort(np.concatenate([above.x, x, below.x]), kind="stable")
    nothing_above, nothing_below = np.full_like(above.down, _NONE), np.full_like(below.down, _NONE)
    for begin, end in (
        ((above.down, starts[_DOWN], nothing_below), (nothing_above, ends[_DOWN], below.down)),
        ((nothing_above, starts[_UP], below.up), (above.up, ends[_UP], nothing_below)),
    ):
        _link(following, np.concatenate(begin)[order], np.concatenate(end)[order])
    descending, rising = _present(above.down), _present(below.up)
    walk, walk_starts = _walk(following, np.concatenate([descending, rising]))
    opened = len(descending) + len(rising)
    is_corner = walk < count
    walked = np.concatenate(corner)[walk[is_corner]]
    many = (pixels[0] != pixels[1]).view(np.int8) + (pixels[2] != pixels[3])
    many = many + (pixels[0] != pixels[2]) + (pixels[1] != pixels[3]) > 2
    closed = walk[walk_starts[opened:-1]]
    lengths = np.diff(walk_starts)
    lengths[:opened] -= 2  # the places where they begin and end
    return Chains(
        np.column_stack([x[walked], top + y[walked], many[walked]]).astype(np.int32),
        offsets(lengths),
        np.concatenate([above.x[above.down >= 0], np.concatenate(inside)[closed]]),
        len(descending),
        len(rising),
        len(_present(below.down)),
        [
            (node < below.start, node - (above.start_up if node < below.start else below.start))
            for node in walk[walk_starts[1 : opened + 1] - 1].tolist()
        ],
    )


def _find_corners(framed: Labels) -> tuple[Whole, Whole]:
    """Return y and x of all points at which edges meet that are not straight."""
    across = framed[:, 1:] != framed[:, :-1]
    down = framed[1:] != framed[:-1]
    y, x = np.nonzero((across[1:] | across[:-1]) & (down[:, 1:] | down[:, :-1]))
    return y, x


def _passes(
    a: Labels, b: Labels, c: Labels, d: Labels, *, junctions: bool
) -> Iterator[tuple[_Mask, int, int, int]]:
    """Yield how outlines pass the points between pixels a and b above c and d.

    Yields
    ------
    ndarray
        bool ``(n,)``: at which points.
    int, int
        The way on which an outline arrives, and that on which it leaves.
    int
        Which of the pixels is inside.
    """
    above, below, left, right = a != b, c != d, a != c, b != d
    yield above & left, _DOWN, _LEFT, 0
    yield above & right, _LEFT, _UP, 1
    yield below & left, _RIGHT, _DOWN, 2
    yield below & right, _UP, _RIGHT, 3
    # Three of them are one area.
    yield above & left & ~below & ~right, _RIGHT, _UP, 3
    yield above & right & ~below & ~left, _DOWN, _RIGHT, 2
    yield below & left & ~above & ~right, _UP, _LEFT, 1
    yield below & right & ~above & ~left, _LEFT, _DOWN, 0
    if junctions:
        yield above & below & right & ~left, _DOWN, _DOWN, 0
        yield above & below & left & ~right, _UP, _UP, 1
        yield below & left & right & ~above, _LEFT, _LEFT, 0
        yield above & left & right & ~below, _RIGHT, _RIGHT, 2


class _Crossings:
    """Where outlines pass from one strip to the next, between the pixels of a row.

    Parameters
    ----------
    row : ndarray
        uint8 ``(width + 2,)``.
    ignored : int
        The label of pixels that belong to no area.
    start : int
        The first number of a node that is not taken.

    Attributes
    ----------
    x : ndarray
        int64 ``(n,)``.
    down, up : ndarray
        int32 ``(n,)``: the nodes of outlines that run down, which have their area on the left
        side, and of those that run up; -1 where there is none.
    """

    def __init__(self, row: Labels, ignored: int, start: int) -> None:
        self.start = start
        self.x = np.flatnonzero(row[1:] != row[:-1])
        self.down, self.start_up = _number(row[self.x] != ignored, start)
        self.up, self.stop = _number(row[self.x + 1] != ignored, self.start_up)


def _number(where: _Mask, start: int) -> tuple[_Nodes, int]:
    numbers = np.full(len(where), _NONE, np.int32)
    stop = start + int(where.sum())
    numbers[where] = np.arange(start, stop)
    return numbers, stop


def _present(nodes: _Nodes) -> _Nodes:
    return nodes[nodes >= 0]


def _link(following: _Nodes, starts: _Nodes, ends: _Nodes) -> None:
    """Link the nodes where edges begin with those where they end, in the order of both."""
    following[_present(starts)] = _present(ends)


def _walk(following: _Nodes, beginning: _Nodes) -> tuple[_Nodes, Whole]:
    """Follow all chains and rings.

    Parameters
    ----------
    following : ndarray
        int32 ``(nodes,)``: the node after each; -1 after the last of a chain.
    beginning : ndarray
        int32 ``(chains,)``: the first node of every chain.

    Returns
    -------
    ndarray
        int32 ``(nodes,)``: the chains, as they were given, then the rings, node by node.
    ndarray
        int64: where each begins in it, and the end.
    """
    count = len(following)
    if not count:
        return following, np.zeros(1, np.int64)
    linked = np.flatnonzero(following >= 0)
    graph = _graph(following[linked], offsets(following >= 0))
    pieces, piece = connected_components(graph, directed=True, connection="weak")
    first = np.empty(pieces, np.int64)
    first[piece[::-1]] = np.arange(count - 1, -1, -1)
    first[piece[beginning]] = beginning
    before = np.full(count, _NONE, np.int64)
    before[following[linked]] = linked
    last = before[first]
    stops = np.flatnonzero(following < 0)
    last[piece[stops]] = stops
    closed = np.ones(pieces, bool)
    closed[piece[beginning]] = False
    sequence = np.concatenate([piece[beginning], np.flatnonzero(closed)])
    # The end of each piece is joined to the begin of the next, so that all are one path, which
    # scipy follows quickly.
    path = following.copy()
    path[last[sequence]] = np.roll(first[sequence], -1)
    order = breadth_first_order(
        _graph(path, np.arange(count + 1)), first[sequence[0]], return_predecessors=False
    )
    return order, offsets(np.bincount(piece, minlength=pieces)[sequence])


def _graph(targets: npt.NDArray[Any], starts: npt.NDArray[Any]) -> csr_array:
    count = len(starts) - 1
    return csr_array((np.ones(len(targets)), targets, starts), shape=(count, count))

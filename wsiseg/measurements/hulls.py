"""Counts the pixels in the convex hulls of components, as scikit-image defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

Whole = npt.NDArray[np.int64]

_AT_ONCE = 2**14
"""Components whose hulls are in memory at the same time."""

_HALVES = np.array([(-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5)])
"""From the centre of a pixel to the middles of its sides."""


def count_convex_pixels(rows: Whole, left: Whole, right: Whole, starts: Whole) -> Whole:
    """Return how many pixels have their centre in the convex hull of each component.

    The hull is that of the middles of the sides of all pixels, its border included, which is what
    :func:`skimage.morphology.convex_hull_image` draws.  The first and the last pixel of each row
    say all about it.

    Parameters
    ----------
    rows, left, right : ndarray
        int64 ``(n,)`` each: a row of a component, and its first and last pixel there.  A row may
        occur more than once, none between the first and the last may be missing.
    starts : ndarray
        int64 ``(components + 1,)``: where the rows of each component begin, and the end.

    Returns
    -------
    ndarray
        int64 ``(components,)``.

    Examples
    --------
    >>> corner = np.array([0, 1, 2]), np.array([0, 0, 0]), np.array([0, 0, 2])
    >>> count_convex_pixels(*corner, np.array([0, 3])).tolist()
    [6]
    """
    counts = [np.zeros(0, np.int64)]
    for first in range(0, len(starts) - 1, _AT_ONCE):
        some = starts[first : first + _AT_ONCE + 1]
        part = slice(some[0], some[-1])
        counts.append(_count_some(rows[part], left[part], right[part], some - some[0]))
    return np.concatenate(counts)


def _count_some(rows: Whole, left: Whole, right: Whole, starts: Whole) -> Whole:
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    top = np.minimum.reduceat(rows, starts[:-1])
    height = np.maximum.reduceat(rows, starts[:-1]) - top + 1
    ends = np.column_stack([np.concatenate([left, right]), np.concatenate([rows, rows])])
    both = np.concatenate([owner, owner])
    by_owner = np.argsort(both, kind="stable")
    # Fewer corners first: the hull of all pixels' middles is that of the middles of its corners.
    corners, owner = _hulls(ends[by_owner].astype(np.float64), both[by_owner])
    middles = (corners[:, None, :] + _HALVES).reshape(-1, 2)
    corners, owner = _hulls(middles, np.repeat(owner, len(_HALVES)))
    return _count(corners, owner, top, height)


def _hulls(points: npt.NDArray[np.float64], owner: Whole) -> tuple[npt.NDArray[Any], Whole]:
    """Return the corners of the convex hull of the points of each owner, in order, and closed."""
    # Lines are made of points faster than sets of points are; of one pixel there are two.
    hulls = shapely.convex_hull(shapely.linestrings(points, indices=owner))
    return shapely.get_coordinates(hulls, return_index=True)  # type: ignore[no-any-return]


def _count(corners: npt.NDArray[Any], owner: Whole, top: Whole, height: Whole) -> Whole:
    """Return how many whole points lie in each convex ring of half-whole corners."""
    doubled = np.rint(corners * 2).astype(np.int64)
    joined = (owner[:-1] == owner[1:]) & (doubled[:-1, 1] != doubled[1:, 1])
    start, end, owner = doubled[:-1][joined], doubled[1:][joined], owner[:-1][joined]
    upward = (start[:, 1] > end[:, 1])[:, None]
    start, end = np.where(upward, end, start), np.where(upward, start, end)
    first, last = -(-start[:, 1] // 2), end[:, 1] // 2
    counts = last - first + 1
    edge = np.repeat(np.arange(len(counts)), counts)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    x, y = start[edge].T
    across, down = (end - start)[edge].T
    # Where the edge crosses the row: a fraction of whole numbers, so that nothing is rounded.
    numerator, denominator = x * down + across * (2 * row - y), 2 * down
    offsets = np.cumsum(height) - height
    place = row - top[owner[edge]] + offsets[owner[edge]]
    begins = np.full(height.sum(), np.iinfo(np.int64).max)
    ends = np.full(height.sum(), np.iinfo(np.int64).min)
    np.minimum.at(begins, place, -(-numerator // denominator))
    np.maximum.at(ends, place, numerator // denominator)
    return np.asarray(np.add.reduceat(ends - begins + 1, offsets))

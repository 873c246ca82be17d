"""Smooths the borders of classes: every pixel takes the class of most pixels around it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.refining.spooling import Rows

_BLOCK = 256
"""Edge of the blocks that are counted at a time, to stay in the cache."""


def smooth(rows: Rows, squared_radius: int) -> Iterator[Labels]:
    """Yield the rows of a mask, each pixel with the most frequent label in the disc around it.

    What was not analysed does not count, and stays.  At a draw a pixel keeps its label if that is
    among the most frequent, else it takes the lowest of them.

    Parameters
    ----------
    rows : callable
        Gives the rows.
    squared_radius : int
        Pixels count whose centres are not farther away: the square of the distance, in pixels.

    Yields
    ------
    ndarray
        uint8 ``(n, width)``: other strips than were given.

    Examples
    --------
    >>> speck = np.array([[0, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 0, 1, 1]], np.uint8)
    >>> np.concatenate(list(smooth(lambda: iter([speck]), squared_radius=2))).tolist()
    [[0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 1, 1]]
    """
    reach = math.isqrt(squared_radius)
    kept: Labels | None = None
    for strip in rows():
        edge = np.full((reach, strip.shape[1]), IGNORED, np.uint8)
        kept = np.concatenate([edge if kept is None else kept, strip])
        done = len(kept) - 2 * reach
        if done > 0:
            yield _most_frequent(kept, reach, squared_radius)
            kept = kept[done:]
    if kept is not None and reach:
        yield _most_frequent(np.concatenate([kept, edge]), reach, squared_radius)


def _most_frequent(window: Labels, reach: int, squared_radius: int) -> Labels:
    """Return the most frequent labels around all but the first and last `reach` rows."""
    wide = np.pad(window, ((0, 0), (reach, reach)), constant_values=IGNORED)
    smoothed = window[reach : len(window) - reach].copy()
    height, width = smoothed.shape
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            block = smoothed[top : top + _BLOCK, left : left + _BLOCK]
            around = wide[
                top : top + len(block) + 2 * reach, left : left + block.shape[1] + 2 * reach
            ]
            if around.min() != around.max():
                _smooth_block(block, around, reach, squared_radius)
    return smoothed


def _smooth_block(block: Labels, around: Labels, reach: int, squared_radius: int) -> None:
    """Smooth a block in place."""
    labels = np.flatnonzero(np.bincount(around.ravel(), minlength=IGNORED)[:IGNORED])
    if len(labels) < 2:
        return
    counts = np.stack([_count(around == label, reach, squared_radius) for label in labels])
    best = counts.max(axis=0)
    analysed = block != IGNORED
    own = np.take_along_axis(
        counts, np.searchsorted(labels, np.where(analysed, block, labels[0]))[None], axis=0
    )[0]
    lost = analysed & (own < best)
    # argmax gives the first, which is the lowest label.
    block[lost] = labels[counts[:, lost].argmax(axis=0)]


def _count(among: np.ndarray, reach: int, squared_radius: int) -> np.ndarray:
    """Return how many pixels of the disc around each are among those marked."""
    sums = np.zeros((among.shape[0], among.shape[1] + 1), np.int32)
    np.cumsum(among, axis=1, out=sums[:, 1:])
    height, width = (side - 2 * reach for side in among.shape)
    counts = np.zeros((height, width), np.int32)
    for row in range(-reach, reach + 1):
        half = math.isqrt(squared_radius - row * row)
        line = sums[reach + row : reach + row + height]
        counts += line[:, reach + half + 1 : reach + half + 1 + width]
        counts -= line[:, reach - half : reach - half + width]
    return counts

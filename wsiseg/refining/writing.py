"""Rows from a store, and rows to a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from zarr.types import AnyArray

from wsiseg.annotations.labels import Labels
from wsiseg.refining.spooling import Rows
from wsiseg.store.arrays import BAND_HEIGHT, CHUNK
from wsiseg.store.checking import count_labels
from wsiseg.store.masks import MaskStore
from wsiseg.tiling.bands import NO_LABEL, Band
from wsiseg.tiling.boxes import Box

_STRIP = 2**20
"""Pixels that are worked on at a time."""


def rows_of(array: AnyArray) -> Rows:
    """Return what gives the rows of an array.

    Parameters
    ----------
    array : zarr.Array
        uint8 ``(H, W)``.
    """

    def read() -> Iterator[Labels]:
        # Chunks are decoded once.
        for top in range(0, array.shape[0], CHUNK):
            yield from cut(np.asarray(array[top : top + CHUNK]))

    return read


def cut(rows: Labels) -> Iterator[Labels]:
    """Yield rows, as many at a time as are worked on.

    Parameters
    ----------
    rows : ndarray
        uint8 ``(n, width)``.
    """
    height = max(1, _STRIP // rows.shape[1])
    for top in range(0, len(rows), height):
        yield rows[top : top + height]


def write_refined(
    strips: Iterable[Labels], store: MaskStore, classes: int
) -> npt.NDArray[np.int64]:
    """Write the labels of a mask, and count them.

    Parameters
    ----------
    strips : iterable of ndarray
        uint8 ``(n, width)``: all rows, some at a time.
    store : MaskStore
        The mask.
    classes : int
        Higher labels are not counted.

    Returns
    -------
    ndarray
        int64 ``(classes,)``: pixels of each class.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    counts = np.zeros(classes, np.int64)
    top = 0
    for rows in _bands(strips):
        analysed = bool((rows != NO_LABEL).any())
        store.write(Band(Box(top, 0, *rows.shape), rows, touched=analysed))
        counts += count_labels(rows, classes)
        top += len(rows)
    return counts


def _bands(strips: Iterable[Labels]) -> Iterator[Labels]:
    """Yield the same rows, as high as shards at a time."""
    waiting: list[Labels] = []
    for strip in strips:
        waiting.append(strip)
        while sum(map(len, waiting)) >= BAND_HEIGHT:
            rows = np.concatenate(waiting)
            waiting = [rows[BAND_HEIGHT:]]
            yield rows[:BAND_HEIGHT]
    left = np.concatenate(waiting) if waiting else np.empty((0, 0), np.uint8)
    if len(left):
        yield left

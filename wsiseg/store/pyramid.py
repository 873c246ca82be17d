"""Builds pyramids: halves a mask or an image until it fits on a screen, shard by shard."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wsiseg.store.arrays import BAND_HEIGHT, SHARD_WIDTH, create_array, open_array

SCREEN = 1024
"""The last level is no larger than this on either side."""

_THREADS = 2

Bytes = npt.NDArray[np.uint8]
Halve = Callable[[Bytes], Bytes]
Place = tuple[int | slice, ...]
Heartbeat = Callable[[], None]
"""Called now and then while work goes on; may raise to cancel."""


def halve_by_mode(labels: Bytes) -> Bytes:
    """Give each 2×2 block its most frequent label, the first in reading order at a draw.

    Parameters
    ----------
    labels : ndarray
        uint8 ``(..., H, W)``, H and W even.

    Returns
    -------
    ndarray
        uint8 ``(..., H / 2, W / 2)``.

    Examples
    --------
    >>> halve_by_mode(np.array([[1, 2], [2, 3]], np.uint8)).tolist()
    [[2]]
    """
    # Two neighbours as one 16-bit number are read without strides.
    pairs = np.ascontiguousarray(labels).view("<u2")
    upper, lower = pairs[..., ::2, :], pairs[..., 1::2, :]
    a, b = upper.astype(np.uint8), (upper >> 8).astype(np.uint8)
    c, d = lower.astype(np.uint8), (lower >> 8).astype(np.uint8)
    # Where the first has no partner another pair may have a majority; that is rare.
    alone = np.nonzero((a != b) & (a != c) & (a != d))
    first, b, c, d = a[alone], b[alone], c[alone], d[alone]
    a[alone] = np.where((b == c) | (b == d), b, np.where(c == d, c, first))
    return a


def halve_by_mean(values: Bytes) -> Bytes:
    """Give each 2×2 block its rounded mean.

    Parameters
    ----------
    values : ndarray
        uint8 ``(..., H, W)``, H and W even.

    Returns
    -------
    ndarray
        uint8 ``(..., H / 2, W / 2)``.

    Examples
    --------
    >>> halve_by_mean(np.array([[1, 2], [2, 3]], np.uint8)).tolist()
    [[2]]
    """
    wide = values.astype(np.uint16)
    rows = wide[..., ::2, :] + wide[..., 1::2, :]
    return ((rows[..., ::2] + rows[..., 1::2] + 2) // 4).astype(np.uint8)


def level_shapes(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sizes of all levels, each half the one before, rounded up, down to one screen.

    Parameters
    ----------
    height, width : int
        Size of level 0 in pixels.

    Examples
    --------
    >>> level_shapes(3001, 2000)
    [(3001, 2000), (1501, 1000), (751, 500)]
    """
    shapes = [(height, width)]
    while max(shapes[-1]) > SCREEN:
        last = shapes[-1]
        shapes.append((-(-last[0] // 2), -(-last[1] // 2)))
    return shapes


def no_heartbeat() -> None:
    """Do nothing."""


def build_pyramid(root: Path, halve: Halve, heartbeat: Heartbeat = no_heartbeat) -> int:
    """Add the levels ``1``, ``2``, … beside level ``0``.

    Parameters
    ----------
    root : Path
        The folder with the finished array ``0``, ``(H, W)`` or ``(C, H, W)``.
    halve : callable
        :func:`halve_by_mode` or :func:`halve_by_mean`.
    heartbeat : callable
        Called after every shard; may raise to cancel.

    Returns
    -------
    int
        Number of levels, level 0 included.
    """
    finest = open_array(root / "0")
    shapes = level_shapes(*finest.shape[-2:])
    for k, shape in enumerate(shapes[1:], 1):
        _halve_level(root, k, (*finest.shape[:-2], *shape), halve, heartbeat)
    return len(shapes)


def _halve_level(
    root: Path, level: int, shape: tuple[int, ...], halve: Halve, heartbeat: Heartbeat
) -> None:
    finer = open_array(root / str(level - 1))
    coarser = create_array(root / str(level), shape, fill_value=int(finer.fill_value))
    planes, (height, width) = shape[:-2], shape[-2:]

    def halve_shard(plane: tuple[int, ...], top: int, left: int) -> None:
        bottom, right = min(top + BAND_HEIGHT, height), min(left + SHARD_WIDTH, width)
        source: Place = (*plane, slice(2 * top, 2 * bottom), slice(2 * left, 2 * right))
        block = np.asarray(finer[source])
        if (block == finer.fill_value).all():
            # As it reads without having been written.
            return
        even = np.pad(block, [(0, side % 2) for side in block.shape], mode="edge")
        target: Place = (*plane, slice(top, bottom), slice(left, right))
        coarser[target] = halve(even)

    # Shard by shard, so that memory stays the same for any slide and no two threads share one.
    places = itertools.product(
        np.ndindex(*planes), range(0, height, BAND_HEIGHT), range(0, width, SHARD_WIDTH)
    )
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="wsiseg-pyramid") as pool:
        try:
            for running in [pool.submit(halve_shard, *place) for place in places]:
                running.result()
                heartbeat()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise

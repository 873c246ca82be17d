"""Pyramids in TIFF: levels as pages or SubIFDs, streamed tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from wsiseg.annotations.labels import Labels
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.mask import Mask

TILE = 512

CLASSIC = 2**31
"""Bytes of pixels up to which a file stays below the 4 GiB of classic TIFF, whatever it holds."""


def write_levels(
    file: tifffile.TiffWriter,
    mask: Mask,
    labels: tuple[int, ...],
    progress: ProgressCallback,
    *,
    draw: Callable[[Labels], npt.NDArray[np.uint8]],
    options: Callable[[int], dict[str, Any]],
) -> None:
    """Write every level of a mask, compressed without loss.

    Parameters
    ----------
    file : TiffWriter
        Open.
    mask : Mask
        The mask.
    labels : tuple of int
        Labels to keep; all others become 255.
    progress : callable
        Called with the share that is done, 0 to 1; may raise to cancel.
    draw : callable
        Turns labels, uint8 ``(n, m)``, into pixels, uint8 ``(n, m)`` or ``(n, m, 3)``.
    options : callable
        Takes the number of a level, and returns what :meth:`tifffile.TiffWriter.write` takes
        beside.
    """
    shapes = [level.shape[-2:] for level in mask.image.levels]
    sizes = [height * width for height, width in shapes]
    samples = draw(np.zeros((1, 1), np.uint8)).shape[2:]
    done = 0
    for level, shape in enumerate(shapes):

        def advance(share: float, done: int = done, size: int = sizes[level]) -> None:
            progress((done + share * size) / sum(sizes))

        file.write(
            (draw(tile) for tile in _tiles(mask, labels, level, advance)),
            shape=(*shape, *samples),
            dtype=np.uint8,
            tile=(TILE, TILE),
            compression="zlib",
            predictor=False,
            subfiletype=1 if level else 0,
            **_resolution(mask, level),
            **options(level),
        )
        # The last tile is written after it was asked for.
        advance(1.0)
        done += sizes[level]


def _tiles(
    mask: Mask, labels: tuple[int, ...], level: int, progress: ProgressCallback
) -> Iterator[Labels]:
    for _, rows in mask.strips(labels, progress, level=level, height=TILE):
        for left in range(0, rows.shape[1], TILE):
            yield np.ascontiguousarray(rows[:, left : left + TILE])


def _resolution(mask: Mask, level: int) -> dict[str, Any]:
    if mask.mpp is None:
        return {}
    return {
        "resolution": (1e4 / (mask.mpp * mask.factor(level)),) * 2,
        "resolutionunit": "CENTIMETER",
    }

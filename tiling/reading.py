"""Tiles off a slide, ahead of whoever wants them."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image

from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides.slide import Pixels, Slide

_BLOCK, _SMALLEST_BLOCK = 256, 8
"""Edges of the blocks in which the plane is resampled."""

_SOURCE = 2048
"""Edge of what a block is made of, in pixels of the level; more where blocks are smallest."""


@dataclass(frozen=True)
class ReadTile:
    """A tile with its pixels.

    Attributes
    ----------
    tile : Tile
        Which one.
    pixels : ndarray or None
        uint8 ``(height, width, 3)``, RGB; None if it could not be read.
    seconds : float
        What a reading thread spent on it.
    error : DamagedSlideError or None
        Why it could not be read.
    """

    tile: Tile
    pixels: Pixels | None
    seconds: float
    error: DamagedSlideError | None = None


def read_working_box(slide: Slide, plane: WorkingPlane, box: Box) -> Pixels:
    """Read a rectangle of the working plane.

    Parameters
    ----------
    slide : Slide
        Open.
    plane : WorkingPlane
        How the slide is looked at.
    box : Box
        In working pixels; what lies outside the plane is filled with the slide's background.

    Returns
    -------
    ndarray
        uint8 ``(box.height, box.width, 3)``, RGB.

    Raises
    ------
    DamagedSlideError
        If the file's data there cannot be decoded.
    """
    inside = box.intersection(plane.box)
    if inside == box:
        return _resampled(slide, plane, box)
    pixels = np.empty((*box.shape, 3), np.uint8)
    pixels[:] = slide.facts.background
    if inside.area:
        pixels[inside.within(box)] = _resampled(slide, plane, inside)
    return pixels


def _resampled(slide: Slide, plane: WorkingPlane, box: Box) -> Pixels:
    """Read a box inside the plane, resampled block by block of a fixed grid.

    What a working pixel looks like then depends on its place alone, not on which tile asks.
    """
    if not plane.resampled:
        return slide.read_region(plane.level, box)
    pixels = np.empty((*box.shape, 3), np.uint8)
    edge = min(_BLOCK, max(_SMALLEST_BLOCK, int(_SOURCE / plane.level_scale)))
    for top in range(box.y // edge * edge, box.bottom, edge):
        for left in range(box.x // edge * edge, box.right, edge):
            block = Box(top, left, edge, edge).intersection(plane.box)
            part = block.intersection(box)
            pixels[part.within(box)] = _resample_block(slide, plane, block)[part.within(block)]
    return pixels


def _resample_block(slide: Slide, plane: WorkingPlane, block: Box) -> Pixels:
    scale = plane.level_scale
    level = slide.levels[plane.level]
    top, bottom = _reach(block.y * scale, block.bottom * scale, scale, level.height)
    left, right = _reach(block.x * scale, block.right * scale, scale, level.width)
    source = Box(top, left, bottom - top, right - left)
    picture = Image.fromarray(slide.read_region(plane.level, source))
    corners = (
        block.x * scale - left,
        block.y * scale - top,
        block.right * scale - left,
        block.bottom * scale - top,
    )
    size = (block.width, block.height)
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=corners))


def _reach(start: float, end: float, scale: float, length: int) -> tuple[int, int]:
    """Return the first and last pixels of the level that the pixels of a span are made of.

    The triangle filter reaches one working pixel further, or one of the level's when enlarging;
    not over the slide's edge, or glass that nobody scanned would shine in.
    """
    margin = math.ceil(max(1.0, scale)) + 1
    first, last = math.floor(start), math.ceil(end)
    return max(0, first - margin), max(last, min(last + margin, length))


class TileReader:
    """Threads that read ahead, tiles in the order in which they were asked for.

    Parameters
    ----------
    slide : Slide
        Open.
    plane : WorkingPlane
        How it is looked at.
    threads : int
        Reading threads.
    ahead : int
        Tiles that are read and not yet taken, at most.
    """

    def __init__(self, slide: Slide, plane: WorkingPlane, *, threads: int, ahead: int) -> None:
        self._slide = slide
        self._plane = plane
        self._ahead = ahead
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="wsiseg-read")

    def batches(self, tiles: Iterable[Tile], size: int) -> Iterator[list[ReadTile]]:
        """Yield tiles, `size` at a time; the last batch may be smaller."""
        remaining = iter(tiles)
        waiting: deque[Future[ReadTile]] = deque()
        while True:
            for tile in itertools.islice(remaining, self._ahead - len(waiting)):
                waiting.append(self._pool.submit(self._read, tile))
            if not waiting:
                return
            count = min(size, len(waiting))
            yield [waiting.popleft().result() for _ in range(count)]

    def _read(self, tile: Tile) -> ReadTile:
        start = time.perf_counter()
        try:
            pixels, error = read_working_box(self._slide, self._plane, tile.box), None
        except DamagedSlideError as damage:
            pixels, error = None, damage
        return ReadTile(tile, pixels, time.perf_counter() - start, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

"""Reading tiles of the working plane from a slide, in threads that run ahead of the network."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image

from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides.pixels import Pixels, blank
from wsiseg.tiling.slides.slide import Slide

_BLOCK, _SMALLEST_BLOCK = 256, 8
"""Edges of the blocks in which the plane is resampled."""

_JPEG_BLOCK = 8
"""Edge of a JPEG block (DCT); decoded at 1/8, a block becomes one pixel."""

_SOURCE = 2048
"""Edge of a block's source, in pixels of the level; more where blocks are smallest."""


@dataclass(frozen=True)
class ReadTile:
    """A tile with its pixels.

    Attributes
    ----------
    tile : Tile
        Its place in the grid.
    pixels : ndarray or None
        uint8 ``(height, width, 3)``, RGB; None if it could not be decoded.
    seconds : float
        Time that a reading thread spent on it.
    error : DamagedSlideError or None
        Why it could not be decoded.
    """

    tile: Tile
    pixels: Pixels | None
    seconds: float
    error: DamagedSlideError | None = None


def read_working_box(slide: Slide, plane: WorkingPlane, box: Box) -> Pixels:
    """Read a rectangle of the working plane, resampled to its resolution.

    Parameters
    ----------
    slide : Slide
        Open.
    plane : WorkingPlane
        The resolution to read at.
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
    pixels = blank(box.shape, slide.facts.background)
    if inside.area:
        pixels[inside.slices_in(box)] = _resampled(slide, plane, inside)
    return pixels


def _resampled(slide: Slide, plane: WorkingPlane, box: Box) -> Pixels:
    """Read a box inside the plane, resampled block by block of a fixed grid.

    A working pixel then depends on its position alone, not on the tile that is read.
    """
    if not plane.resampled:
        return slide.read_region(plane.level, box)
    pixels = np.empty((*box.shape, 3), np.uint8)
    for block in _blocks(plane, box):
        part = block.intersection(box)
        pixels[part.slices_in(box)] = _resample_block(slide, plane, block)[part.slices_in(block)]
    return pixels


def _blocks(plane: WorkingPlane, box: Box) -> Iterator[Box]:
    """Yield the blocks of the fixed grid that a box meets."""
    edge = min(_BLOCK, max(_SMALLEST_BLOCK, int(_SOURCE / plane.level_scale)))
    for top in range(box.y // edge * edge, box.bottom, edge):
        for left in range(box.x // edge * edge, box.right, edge):
            yield Box(top, left, edge, edge).intersection(plane.box)


def _resample_block(slide: Slide, plane: WorkingPlane, block: Box) -> Pixels:
    reduction = _reduction(slide, plane, block)
    scale = plane.level_scale / reduction
    source = _source(slide, plane, block, reduction)
    if reduction == 1:
        pixels = slide.read_region(plane.level, source)
    else:
        pixels = slide.read_reduced(plane.level, source, reduction)
    corners = (
        block.x * scale - source.x,
        block.y * scale - source.y,
        block.right * scale - source.x,
        block.bottom * scale - source.y,
    )
    if scale == 1:
        return pixels
    size = (block.width, block.height)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, box=corners))


def _reduction(slide: Slide, plane: WorkingPlane, block: Box) -> int:
    """Return by how much the level is to be read reduced for a block: not beyond its pixels.

    Near the right and lower edges it is read as it is, for there a reduced pixel would be made of
    what lies outside the slide, too.
    """
    level = slide.levels[plane.level]
    for reduction in sorted(slide.reductions(plane.level), reverse=True):
        if reduction <= plane.level_scale:
            source = _source(slide, plane, block, reduction)
            height, width = (v // _JPEG_BLOCK * _JPEG_BLOCK for v in level.box.shape)
            if source.bottom * reduction <= height and source.right * reduction <= width:
                return reduction
    return 1


def _source(slide: Slide, plane: WorkingPlane, block: Box, reduction: int) -> Box:
    """Return the source of a block, in pixels of the level divided by the reduction."""
    scale = plane.level_scale / reduction
    height, width = (v // reduction for v in slide.levels[plane.level].box.shape)
    top, bottom = _reach(block.y * scale, block.bottom * scale, scale, height)
    left, right = _reach(block.x * scale, block.right * scale, scale, width)
    return Box(top, left, bottom - top, right - left)


def _reach(start: float, end: float, scale: float, length: int) -> tuple[int, int]:
    """Return the first and last pixels of the level that the pixels of a span are made of.

    The triangle filter reaches one working pixel further, or one of the level's when enlarging;
    not beyond the slide's edge, where unscanned background would be mixed in.
    """
    margin = 0 if scale == 1 else math.ceil(max(1.0, scale)) + 1
    first, last = math.floor(start), math.ceil(end)
    return max(0, first - margin), max(last, min(last + margin, length))


def _announce(slide: Slide, plane: WorkingPlane, box: Box) -> Callable[[], None]:
    """Tell the slide of a rectangle of the plane that will be read."""
    inside = box.intersection(plane.box)
    if not inside.area:
        return lambda: None
    if not plane.resampled:
        return slide.announce(plane.level, inside)
    sources = [_source(slide, plane, block, 1) for block in _blocks(plane, inside)]
    top, left = min(s.y for s in sources), min(s.x for s in sources)
    bottom, right = max(s.bottom for s in sources), max(s.right for s in sources)
    return slide.announce(plane.level, Box.around(top, left, bottom, right))


class TileReader:
    """A pool of threads that reads tiles ahead of the network, in the order asked for.

    Parameters
    ----------
    slide : Slide
        Open.
    plane : WorkingPlane
        The resolution at which the tiles are read.
    threads : int
        Reading threads.
    ahead : int
        Most tiles that are read, or being read, and not yet taken.
    """

    def __init__(self, slide: Slide, plane: WorkingPlane, *, threads: int, ahead: int) -> None:
        self._slide = slide
        self._plane = plane
        self._ahead = ahead
        self._finish: dict[int, Callable[[], None]] = {}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="wsiseg-read")

    def batches(self, tiles: Iterable[Tile], size: int) -> Iterator[list[ReadTile]]:
        """Read tiles and yield them in batches of one shape.

        Parameters
        ----------
        tiles : iterable of Tile
            What to read, from top to bottom.
        size : int
            Tiles of a batch; a batch may be smaller.

        Yields
        ------
        list of ReadTile
            In the order of `tiles`.  A tile that cannot be decoded has no pixels but an error.
        """
        remaining = self._announced(tiles)
        waiting: deque[tuple[Tile, Future[ReadTile]]] = deque()
        while True:
            waiting.extend(
                (tile, self._pool.submit(self._read, tile))
                for tile in itertools.islice(remaining, self._ahead - len(waiting))
            )
            if not waiting:
                return
            shape = waiting[0][0].box.shape
            batch: list[Future[ReadTile]] = []
            while waiting and len(batch) < size and waiting[0][0].box.shape == shape:
                batch.append(waiting.popleft()[1])
            yield [future.result() for future in batch]

    def _announced(self, tiles: Iterable[Tile]) -> Iterator[Tile]:
        """Yield tiles once all that begin beside them are announced to the slide as well.

        The slide then keeps the file tiles that they share, and decodes nothing twice.
        """
        coming: deque[Tile] = deque()
        for tile in tiles:
            self._finish[tile.index] = _announce(self._slide, self._plane, tile.box)
            coming.append(tile)
            while coming[0].box.bottom <= tile.box.y:
                yield coming.popleft()
        yield from coming

    def _read(self, tile: Tile) -> ReadTile:
        start = time.perf_counter()
        try:
            pixels, error = read_working_box(self._slide, self._plane, tile.box), None
        except DamagedSlideError as damage:
            pixels, error = None, damage
        finally:
            self._finish.pop(tile.index)()
        return ReadTile(tile, pixels, time.perf_counter() - start, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for finish in self._finish.values():
            finish()

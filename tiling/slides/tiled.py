"""Slides that are decoded tile by tile on a fixed grid, with a cache of decoded tiles."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.pixels import Pixels, blank
from wsiseg.tiling.slides.slide import Level, Slide
from wsiseg.tiling.slides.tile_cache import CACHE_BYTES, Place, TileCache

LARGEST_BLOCK = 2**22
"""Pixels of a file tile; of larger ones the cache would hold too few."""

_SEVERAL = 2**20
"""Pixels of a block of several file tiles, at most."""


@dataclass(frozen=True)
class FileTiling:
    """The grid of tiles in which a level is stored, or of blocks of several tiles.

    Attributes
    ----------
    shape : tuple of int
        ``(height, width)`` of a tile.
    columns : int
        Tiles from left to right.
    own_shape : tuple of int or None
        ``(height, width)`` of the file's own tiles, where these are blocks of several.
    cached : bool
        Whether whole tiles are decoded and cached; if not, only the pixels that are read.
    """

    shape: tuple[int, int]
    columns: int
    own_shape: tuple[int, int] | None = None
    cached: bool = True

    @classmethod
    def of_blocks(cls, level: Level, tile_shape: tuple[int, int] | None, edge: int) -> Self:
        """Return a grid of blocks of whole file tiles.

        Parameters
        ----------
        level : Level
            The level to cover.
        tile_shape : tuple of int or None
            ``(height, width)`` of the file's tiles, if they are known.
        edge : int
            Approximate edge of a block, in pixels.
        """
        own_height, own_width = tile_shape or (edge, edge)
        width = _multiple(own_width, edge)
        height = _multiple(own_height, min(edge, _SEVERAL // width))
        cached = height * width <= LARGEST_BLOCK
        return cls((height, width), -(-level.width // width), tile_shape, cached)

    def tile_box(self, index: int) -> Box:
        """Return the box of a tile; at the right and lower edge it may exceed the level."""
        height, width = self.shape
        row, column = divmod(index, self.columns)
        return Box(row * height, column * width, height, width)

    def chunks(self, box: Box) -> Iterator[Box]:
        """Yield the box of each of the file's own tiles that a box meets."""
        own = FileTiling(self.own_shape or self.shape, 1)
        return (place for _, place in own.tiles_in(box))

    def tiles_in(self, box: Box, reduction: int = 1) -> Iterator[tuple[int, Box]]:
        """Yield index and box of every tile that a box meets.

        Parameters
        ----------
        box : Box
            In pixels of the level divided by the reduction.
        reduction : int
            A whole number that divides the tiles' edges.
        """
        height, width = (edge // reduction for edge in self.shape)
        for row in range(box.y // height, -(-box.bottom // height)):
            for column in range(box.x // width, -(-box.right // width)):
                place = Box(row * height, column * width, height, width)
                yield row * self.columns + column, place


def _multiple(length: int, edge: int) -> int:
    """Return the multiple of a length that is nearest to an edge, once the length at least."""
    return max(1, round(edge / length)) * length


class TiledSlide(Slide):
    """A slide whose levels are decoded in tiles and cached.

    A subclass sets `_tilings`, one per level.

    Parameters
    ----------
    path : Path
        The file.
    """

    _tilings: list[FileTiling]

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._cache = TileCache(CACHE_BYTES)

    @abstractmethod
    def _decode(self, level: int, index: int, reduction: int) -> Pixels:
        """Make a tile, divided by the reduction; what lies outside the level may be left out."""

    def _assemble(self, level: int, box: Box, reduction: int = 1) -> Pixels:
        """Put a rectangle together from its tiles, in pixels of the level by the reduction."""
        pixels = np.empty((*box.shape, 3), np.uint8)
        late = []
        for index, place in self._tilings[level].tiles_in(box, reduction):
            decode = partial(self._decode, level, index, reduction)
            tile = self._cache.request(Place(level, index), reduction, decode)
            if isinstance(tile, Future):
                # Go on with the next tile, or parallel threads would wait for each other in turn.
                late.append((place, tile))
                continue
            part = place.intersection(box)
            pixels[part.slices_in(box)] = tile[part.slices_in(place)]
        for place, coming in late:
            part = place.intersection(box)
            pixels[part.slices_in(box)] = coming.result()[part.slices_in(place)]
        return pixels

    def _stored(self, level: int, box: Box) -> Box:
        """Return where a rectangle of the level lies among the tiles."""
        return box

    def _upright(self, level: int, stored: Box) -> Box:
        """Return where a rectangle among the tiles lies on the level."""
        return stored

    @property
    def cache_bytes(self) -> int:
        """Bytes of decoded tiles that it keeps, at most."""
        return CACHE_BYTES

    def chunks(self, level: int, box: Box) -> Iterator[Box]:
        """Yield the file's tiles that a rectangle meets; see :meth:`Slide.chunks`."""
        for piece in self._tilings[level].chunks(self._stored(level, box)):
            yield self._upright(level, piece)

    def announce(self, level: int, box: Box) -> Callable[[], None]:
        """Keep the box's tiles in the cache until it has been read, as far as there is room.

        See :meth:`Slide.announce`.
        """
        inside, tiling = box.intersection(self.levels[level].box), self._tilings[level]
        wanted = tiling.cached and inside.area
        met = tiling.tiles_in(self._stored(level, inside)) if wanted else ()
        return self._cache.announce(Place(level, index) for index, _ in met)

    def _after_fork(self) -> None:
        # Another thread may have held the lock.
        self._cache = TileCache(CACHE_BYTES)

    def close(self) -> None:
        """Empty the cache."""
        self._cache = TileCache(0)


class BlockSlide(TiledSlide):
    """A slide read by a library that takes rectangles of any size; cached in blocks."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._damaged: set[Place] = set()

    def _read(self, level: int, box: Box) -> Pixels:
        tiling = self._tilings[level]
        blocks = {Place(level, index) for index, _ in tiling.tiles_in(box)}
        if tiling.cached and self._damaged.isdisjoint(blocks):
            try:
                return self._assemble(level, box)
            except DamagedSlideError:
                pass
        # Blocks reach beyond the box; damage out there must not fail this read.
        return self._read_piece(level, box)

    def _decode(self, level: int, index: int, reduction: int) -> Pixels:
        place = self._tilings[level].tile_box(index)
        inside = place.intersection(self.facts.scanned_box(level))
        try:
            piece = self._read_piece(level, inside)
        except DamagedSlideError:
            self._damaged.add(Place(level, index))
            raise
        if (inside.y, inside.x) == (place.y, place.x):
            return piece
        pixels = blank(place.shape, self.facts.background)
        pixels[inside.slices_in(place)] = piece
        return pixels

    @abstractmethod
    def _read_piece(self, level: int, box: Box) -> Pixels:
        """Read a rectangle inside the level from the file."""

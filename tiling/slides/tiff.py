"""TIFF files through tifffile and imagecodecs: Aperio, generic and OME pyramids, strips."""

from __future__ import annotations

import struct
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from wsiseg.errors import DamagedSlideError, SlideError, UnknownFormatError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.orientation import UPRIGHT, orientation
from wsiseg.tiling.slides.slide import (
    FOREIGN,
    WHITE,
    Pixels,
    Slide,
    SlideFacts,
    make_levels,
    on_background,
    upper_bits,
)
from wsiseg.tiling.slides.tiff_pyramid import (
    Pyramid,
    compression_name,
    find_pixel_size,
    find_pyramid,
    is_mappable,
    segment_shape,
)
from wsiseg.tiling.slides.tiff_structure import check_structure, is_tiff

CACHE_BYTES = 64 * 2**20
"""Decoded file tiles that are kept, so that neighbouring reads decode each of them once."""

# Damaged headers make tifffile stumble in any of these ways; imagecodecs has an error class per
# codec, all of them RuntimeErrors.
DECODING_ERRORS = (
    tifffile.TiffFileError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)

_PICTURES = ("Thumbnail", "Label", "Macro")


class TiffSlide(Slide):
    """A TIFF in tiles or strips, upright as its tag tells.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UnknownFormatError
        If it is no TIFF, or one whose pixels this reader would give otherwise than OpenSlide.
    DamagedSlideError
        If the file is truncated or its structure cannot be read.
    """

    reader = "tifffile"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._cache = _TileCache(CACHE_BYTES)
        if not path.is_file() or not is_tiff(path):
            raise UnknownFormatError(FOREIGN, path)
        check_structure(path)
        with understood(path), ExitStack() as stack:
            self._file = stack.enter_context(tifffile.TiffFile(path))
            pyramid = find_pyramid(self._file)
            self._pages = pyramid.pages
            self._arrays = [self._map(page) for page in self._pages]
            tag = self._pages[0].tags.get("Orientation")
            self._orientation = orientation(tag and tag.value)
            self.facts = self._find_facts(pyramid)
            self.why = self._explain()
            stack.pop_all()
        # A viewer cannot tell when the last of its arrays lets go of the slide.
        weakref.finalize(self, self._file.close)

    def _find_facts(self, pyramid: Pyramid) -> SlideFacts:
        page, upright = pyramid.pages[0], self._orientation.shape
        return SlideFacts(
            levels=make_levels([upright((p.imagelength, p.imagewidth)) for p in pyramid.pages]),
            pixel_size=find_pixel_size(self._file),
            vendor=pyramid.vendor,
            background=WHITE,
            tile_shape=upright(segment_shape(page)),
            compression=compression_name(page).lower(),
            associated=tuple(
                series.name.lower() for series in self._file.series[1:] if series.name in _PICTURES
            ),
            warnings=pyramid.warnings,
        )

    def _explain(self) -> str:
        page = self._pages[0]
        if self._orientation != UPRIGHT:
            return "its pixels are to be turned, which OpenSlide does not do"
        if self.facts.vendor == "ome-tiff":
            return "OME-TIFF, of which OpenSlide sees the finest level at most"
        if page.dtype != np.uint8:
            return "a TIFF of more than 8 bits, which OpenSlide does not read"
        if not page.is_tiled:
            return "a TIFF in strips, read piece by piece"
        return f"a tiled TIFF ({self.facts.compression}), the pixels are OpenSlide's"

    def _read(self, level: int, box: Box) -> Pixels:
        stored_box = self._orientation.stored(box, self.levels[level].box)
        return np.ascontiguousarray(self._orientation.turn(self._read_stored(level, stored_box)))

    def _map(self, page: tifffile.TiffPage) -> npt.NDArray[np.unsignedinteger[Any]] | None:
        """Return a page that needs no decoding as an array that is read where it is touched."""
        if not is_mappable(page):
            return None
        shape = page.imagelength, page.imagewidth, page.samplesperpixel
        assert page.dtype is not None
        dtype = page.dtype.newbyteorder(self._file.byteorder)
        return np.memmap(self.path, dtype, "r", page.dataoffsets[0], shape)

    def _read_stored(self, level: int, box: Box) -> Pixels:
        array = self._arrays[level]
        if array is not None:
            samples = array[box.within(Box(0, 0, *array.shape[:2]))]
            return on_background(upper_bits(np.asarray(samples)), self.facts.background)
        pixels = np.empty((*box.shape, 3), np.uint8)
        for place, tile in self._file_tiles(level, box):
            part = place.intersection(box)
            pixels[part.within(box)] = tile[part.within(place)]
        return pixels

    def _read_associated(self, name: str) -> Pixels:
        series = next(s for s in self._file.series[1:] if s.name.lower() == name)
        try:
            with self._lock:
                pixels = series.asarray()
        except DECODING_ERRORS as error:
            raise DamagedSlideError(f"its {name} cannot be read: {error}", self.path) from error
        return on_background(pixels, self.facts.background)

    def _file_tiles(self, level: int, box: Box) -> Iterator[tuple[Box, Pixels]]:
        page = self._pages[level]
        height, width = segment_shape(page)
        columns = -(-page.imagewidth // width)
        for row in range(box.y // height, -(-box.bottom // height)):
            for column in range(box.x // width, -(-box.right // width)):
                place = Box(row * height, column * width, height, width)
                yield place, self._file_tile(level, row * columns + column)

    def _file_tile(self, level: int, index: int) -> Pixels:
        key = level, index
        tile = self._cache.get(key)
        if tile is None:
            tile = self._decode(level, index)
            self._cache.put(key, tile)
        return tile

    def _decode(self, level: int, index: int) -> Pixels:
        page = self._pages[level]
        shape = segment_shape(page)
        count = page.databytecounts[index]
        if not count:
            return np.full((*shape, 3), self.facts.background, np.uint8)
        try:
            with self._lock:
                self._file.filehandle.seek(page.dataoffsets[index])
                data = self._file.filehandle.read(count)
            tile = page.decode(data, index, jpegtables=page.jpegtables)[0]
        except DECODING_ERRORS as error:
            raise DamagedSlideError(
                f"tile {index} of level {level} cannot be decoded: {error}", self.path
            ) from error
        if tile is None:
            return np.full((*shape, 3), self.facts.background, np.uint8)
        rgb = on_background(upper_bits(tile[0]), self.facts.background)
        if rgb.shape[:2] == shape:
            return rgb
        whole = np.full((*shape, 3), self.facts.background, np.uint8)
        whole[: rgb.shape[0], : rgb.shape[1]] = rgb[: shape[0], : shape[1]]
        return whole

    def close(self) -> None:
        """Close the file and drop the cache."""
        self._file.close()
        self._arrays = [None] * len(self._pages)
        self._cache = _TileCache(0)


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Turn whatever a damaged structure makes tifffile do into :class:`DamagedSlideError`."""
    try:
        yield
    except SlideError:
        raise
    except DECODING_ERRORS as error:
        raise DamagedSlideError(f"the TIFF structure is damaged: {error}", path) from error


class _TileCache:
    """The most recently used tiles, up to a number of bytes, for all threads of a slide."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._tiles: OrderedDict[tuple[int, int], Pixels] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int]) -> Pixels | None:
        with self._lock:
            tile = self._tiles.get(key)
            if tile is not None:
                self._tiles.move_to_end(key)
            return tile

    def put(self, key: tuple[int, int], tile: Pixels) -> None:
        with self._lock:
            if key in self._tiles:
                return
            self._tiles[key] = tile
            self._size += tile.nbytes
            while self._size > self._limit:
                self._size -= self._tiles.popitem(last=False)[1].nbytes

"""TIFF files through tifffile and imagecodecs: Aperio, generic and OME pyramids, strips."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from wsiseg.boundaries import boundary
from wsiseg.errors import DamagedSlideError, UnknownFormatError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.file_bytes import FileBytes
from wsiseg.tiling.slides.forking import when_forked
from wsiseg.tiling.slides.orientation import UPRIGHT, Orientation, orientation
from wsiseg.tiling.slides.slide import (
    FOREIGN,
    WHITE,
    Pixels,
    SlideFacts,
    make_levels,
    on_background,
    to_8_bits,
)
from wsiseg.tiling.slides.tiff_pyramid import (
    READ_HERE,
    Pyramid,
    compression_name,
    find_pixel_size,
    find_pyramid,
    find_vendor,
    is_mappable,
    segment_shape,
)
from wsiseg.tiling.slides.tiff_structure import check_structure, is_tiff
from wsiseg.tiling.slides.tiff_tiles import TiffTiles
from wsiseg.tiling.slides.tiled import TiledSlide

_UNKNOWN_TO_OPENSLIDE = ("JPEG2000", "WEBP")
_PICTURES = ("Thumbnail", "Label", "Macro")


class TiffSlide(TiledSlide):
    """A TIFF in tiles or strips, upright as its tag tells.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UnknownFormatError
        If it is no TIFF, or one whose pixels this reader would give otherwise than OpenSlide.
    UnsuitableSlideError
        If it is a stack of channels, planes or times.
    DamagedSlideError
        If the file is truncated or its structure cannot be read.
    """

    reader = "tifffile"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if not path.is_file() or not is_tiff(path):
            raise UnknownFormatError(FOREIGN, path)
        check_structure(path)
        with understood(path), tifffile.TiffFile(path) as file:
            pyramid = find_pyramid(file)
            tag = pyramid.pages[0].tags.get("Orientation")
            self._orientation = orientation(tag and tag.value)
            self.facts = _find_facts(file, pyramid, self._orientation)
            self.why = _explain(pyramid, self._orientation)
            self._tiles = [TiffTiles(page) for page in pyramid.pages]
            self._tilings = [tiles.tiling for tiles in self._tiles]
            self._arrays = [_map(page, path, file.byteorder) for page in pyramid.pages]
            self._bytes = FileBytes(path)
        when_forked(self, TiffSlide._after_fork)

    def reductions(self, level: int) -> tuple[int, ...]:
        """Return by how much a level can be read reduced: JPEG has low frequencies apart."""
        return self._tiles[level].reductions if self._orientation == UPRIGHT else ()

    def read_reduced(self, level: int, box: Box, reduction: int) -> Pixels:
        """Read a rectangle of one level, several pixels along as one; see the base class."""
        return self._assemble(level, box, reduction)

    def _read(self, level: int, box: Box) -> Pixels:
        array, stored = self._arrays[level], self._stored(level, box)
        if array is None:
            pixels = self._assemble(level, stored)
        else:
            samples = np.array(array[stored.within(Box(0, 0, *array.shape[:2]))])
            pixels = on_background(to_8_bits(samples), self.facts.background)
        return np.ascontiguousarray(self._orientation.turn(pixels))

    def _stored(self, level: int, box: Box) -> Box:
        return self._orientation.stored(box, self.levels[level].box)

    def _upright(self, level: int, stored: Box) -> Box:
        return self._orientation.upright(stored, self.levels[level].box)

    def _decode(self, level: int, index: int, reduction: int) -> Pixels:
        tiles = self._tiles[level]
        with boundary(
            lambda why: DamagedSlideError(
                f"tile {index} of level {level} cannot be decoded: {why}", self.path
            )
        ):
            return tiles.decode(self._bytes.read(*tiles.span(index)), index, reduction)

    def _read_associated(self, name: str) -> Pixels:
        # A file of its own, as tifffile moves about in the one that it has.
        with understood(self.path), tifffile.TiffFile(self.path) as file:
            series = next(s for s in file.series[1:] if s.name.lower() == name)
            return on_background(series.asarray(), self.facts.background)

    def close(self) -> None:
        """Close the file and drop what is kept."""
        super().close()
        self._bytes.close()
        self._arrays = [None] * len(self._arrays)


def openslides_vendor(path: Path) -> str | None:
    """Name the maker of a TIFF that OpenSlide alone understands; None for any other file.

    Raises
    ------
    DamagedSlideError
        If its structure cannot be read.
    """
    if not is_tiff(path):
        return None
    with understood(path), tifffile.TiffFile(path) as file:
        vendor = find_vendor(file)
    return None if vendor in READ_HERE else vendor


def _find_facts(file: tifffile.TiffFile, pyramid: Pyramid, orientation: Orientation) -> SlideFacts:
    finest, upright = pyramid.pages[0], orientation.shape
    return SlideFacts(
        levels=make_levels([upright((p.imagelength, p.imagewidth)) for p in pyramid.pages]),
        pixel_size=find_pixel_size(file),
        vendor=pyramid.vendor,
        background=WHITE,
        tile_shape=upright(segment_shape(finest)),
        compression=compression_name(finest).lower(),
        associated=tuple(
            series.name.lower() for series in file.series[1:] if series.name in _PICTURES
        ),
        warnings=pyramid.warnings,
        icc_profile=_icc_profile(finest),
    )


def _icc_profile(page: tifffile.TiffPage) -> bytes | None:
    tag = page.tags.get("InterColorProfile")
    return tag.value if tag is not None and isinstance(tag.value, bytes) else None


def _explain(pyramid: Pyramid, orientation: Orientation) -> str:
    finest = pyramid.pages[0]
    if orientation != UPRIGHT:
        return "its pixels are to be turned, and OpenSlide turns each tile in itself"
    if pyramid.vendor in ("ome-tiff", "perkinelmer"):
        return f"a file of {pyramid.vendor}, of which OpenSlide sees the finest level at most"
    if finest.samplesperpixel == 2:
        return "a TIFF of grey with alpha, which OpenSlide drops"
    if compression_name(finest) in _UNKNOWN_TO_OPENSLIDE:
        return f"a TIFF compressed by {compression_name(finest)}, which OpenSlide does not read"
    if not finest.is_tiled:
        return "a TIFF in strips, read piece by piece"
    return f"a TIFF in tiles ({compression_name(finest).lower()}) with the pixels of OpenSlide"


def _map(
    page: tifffile.TiffPage, path: Path, byteorder: str
) -> npt.NDArray[np.unsignedinteger[Any]] | None:
    """Return a page that needs no decoding as an array that is read where it is touched."""
    if not is_mappable(page):
        return None
    assert page.dtype is not None
    dtype = np.dtype(f"{byteorder}u{page.dtype.itemsize}")
    shape = page.imagelength, page.imagewidth, page.samplesperpixel
    return np.memmap(path, dtype, "r", page.dataoffsets[0], shape)


def understood(path: Path) -> AbstractContextManager[None]:
    """Turn whatever a damaged structure makes tifffile do into :class:`DamagedSlideError`."""
    return boundary(lambda why: DamagedSlideError(f"the TIFF structure is damaged: {why}", path))

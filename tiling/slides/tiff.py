"""TIFF files through tifffile and imagecodecs: Aperio, generic and OME pyramids, strips."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from wsiseg.error_translation import translate_errors
from wsiseg.errors import DamagedSlideError, UnknownFormatError
from wsiseg.remote.addresses import is_remote
from wsiseg.remote.reading import AHEAD_BYTES
from wsiseg.remote.remote_path import RemotePath
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.file_bytes import open_bytes
from wsiseg.tiling.slides.fork_hooks import call_after_fork
from wsiseg.tiling.slides.orientation import UPRIGHT, Orientation, orientation
from wsiseg.tiling.slides.pixels import WHITE, Pixels, on_background, to_8_bits
from wsiseg.tiling.slides.slide import OTHER_FORMAT, SlideFacts, make_levels
from wsiseg.tiling.slides.tiff_pyramid import (
    TIFFFILE_VENDORS,
    Pyramid,
    compression_name,
    find_pyramid,
    find_vendor,
    is_mappable,
    refuse_unsupported_pixels,
    segment_shape,
)
from wsiseg.tiling.slides.tiff_ranges import RangeArray
from wsiseg.tiling.slides.tiff_samples import find_sampling
from wsiseg.tiling.slides.tiff_structure import LARGEST_TILE, check_structure, is_tiff
from wsiseg.tiling.slides.tiff_tiles import TiffTiles
from wsiseg.tiling.slides.tile_cache import Place
from wsiseg.tiling.slides.tiled import TiledSlide

_UNKNOWN_TO_OPENSLIDE = ("JPEG2000", "WEBP")


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
        If the file is cut off or its structure cannot be read.
    """

    reader = "tifffile"
    takes = "a TIFF"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if not path.is_file() or not is_tiff(path):
            raise UnknownFormatError(OTHER_FORMAT, path)
        check_structure(path)
        with tiff_errors(path), open_tiff(path) as file:
            pyramid = find_pyramid(file, path)
            refuse_unsupported_pixels(pyramid, path)
            tag = pyramid.pages[0].tags.get("Orientation")
            self._orientation = orientation(tag and tag.value)
            self.facts = _find_facts(pyramid, self._orientation)
            self._sampling, self._others = pyramid.sampling, pyramid.others
            self.why = _explain(pyramid, self._orientation)
            self._tiles = [TiffTiles(page, pyramid.sampling) for page in pyramid.pages]
            self._tilings = [tiles.tiling for tiles in self._tiles]
            self._arrays = [_map(page, path, file.byteorder) for page in pyramid.pages]
            self._bytes = open_bytes(path)
        call_after_fork(self, TiffSlide._after_fork)

    def reductions(self, level: int) -> tuple[int, ...]:
        """Return by how much a level can be read reduced: JPEG has low frequencies apart."""
        return self._tiles[level].reductions if self._orientation == UPRIGHT else ()

    def read_reduced(self, level: int, box: Box, reduction: int) -> Pixels:
        """Read a rectangle of one level, several pixels along as one.

        See :meth:`Slide.read_reduced`.
        """
        return self._assemble(level, box, reduction)

    def _read(self, level: int, box: Box) -> Pixels:
        array, stored = self._arrays[level], self._stored(level, box)
        if array is None:
            pixels = self._assemble(level, stored)
        else:
            samples = np.array(array[stored.slices_in(Box(0, 0, *array.shape[:2]))])
            shown = to_8_bits(self._sampling.drop_unspecified(samples))
            pixels = on_background(shown, self.facts.background)
        return np.ascontiguousarray(self._orientation.turn(pixels))

    def _assemble(self, level: int, box: Box, reduction: int = 1) -> Pixels:
        met = self._tilings[level].tiles_in(box, reduction)
        # What lies far away comes all at once, not tile by tile.
        self._bytes.fetch(
            span
            for index, _ in met
            if not self._cache.holds(Place(level, index), reduction)
            for span in self._tiles[level].spans(index)
        )
        return super()._assemble(level, box, reduction)

    @property
    def cache_bytes(self) -> int:
        """Bytes of decoded tiles, and of what was fetched, that it keeps, at most."""
        return super().cache_bytes + (AHEAD_BYTES if is_remote(self.path) else 0)

    def _stored(self, level: int, box: Box) -> Box:
        return self._orientation.stored(box, self.levels[level].box)

    def _upright(self, level: int, stored: Box) -> Box:
        return self._orientation.upright(stored, self.levels[level].box)

    def _decode(self, level: int, index: int, reduction: int) -> Pixels:
        tiles = self._tiles[level]
        with translate_errors(
            lambda why: DamagedSlideError(
                f"tile {index} of level {level} cannot be decoded: {why}", self.path
            )
        ):
            parts = [self._bytes.read(*span) for span in tiles.spans(index)]
            return tiles.decode(parts, index, reduction)

    def _read_associated(self, name: str) -> Pixels:
        # Opened again, as tifffile moves the file's position.
        with tiff_errors(self.path), open_tiff(self.path) as file:
            page = file.pages[self._others[name]]
            assert isinstance(page, tifffile.TiffPage)
            if page.imagewidth * page.imagelength > LARGEST_TILE:
                raise DamagedSlideError(f"its {name} is too large to be read whole", self.path)
            samples = page.asarray()
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
                samples = np.moveaxis(samples, 0, -1)
            shown = find_sampling(page, self.path).drop_unspecified(samples)
            return on_background(to_8_bits(shown), self.facts.background)

    def close(self) -> None:
        """Close the file and drop what is kept."""
        super().close()
        self._bytes.close()
        self._arrays = [None] * len(self._arrays)


def find_openslide_vendor(path: Path) -> str | None:
    """Name the maker of a TIFF that OpenSlide alone understands; None for any other file.

    Raises
    ------
    DamagedSlideError
        If its structure cannot be read.
    """
    if not is_tiff(path):
        return None
    with tiff_errors(path), open_tiff(path) as file:
        vendor = find_vendor(file)
    return None if vendor in TIFFFILE_VENDORS else vendor


def describe_tiff(path: Path) -> Pyramid | None:
    """Return the pyramid and metadata of a TIFF, whichever reader decodes its pixels.

    None for what is no TIFF, or one of those that OpenSlide alone understands.

    Raises
    ------
    UnsuitableSlideError
        If it is a stack, or no picture in colours.
    DamagedSlideError
        If its structure cannot be read.
    """
    if not is_tiff(path):
        return None
    with tiff_errors(path), open_tiff(path) as file:
        return find_pyramid(file, path) if find_vendor(file) in TIFFFILE_VENDORS else None


def _find_facts(pyramid: Pyramid, orientation: Orientation) -> SlideFacts:
    finest, upright = pyramid.pages[0], orientation.shape
    return SlideFacts(
        levels=make_levels([upright((p.imagelength, p.imagewidth)) for p in pyramid.pages]),
        pixel_size=pyramid.pixel_size,
        vendor=pyramid.vendor,
        background=WHITE,
        tile_shape=upright(segment_shape(finest)),
        compression=compression_name(finest).lower(),
        associated=tuple(pyramid.others),
        warnings=(*pyramid.warnings, *_depth_warning(finest)),
        icc_profile=_icc_profile(finest),
    )


def _depth_warning(page: tifffile.TiffPage) -> tuple[str, ...]:
    return ("16 bits a channel are scaled to 8",) if page.dtype == np.uint16 else ()


def _icc_profile(page: tifffile.TiffPage) -> bytes | None:
    tag = page.tags.get("InterColorProfile")
    return tag.value if tag is not None and isinstance(tag.value, bytes) else None


def _explain(pyramid: Pyramid, orientation: Orientation) -> str:
    finest = pyramid.pages[0]
    if orientation != UPRIGHT:
        return "its pixels are to be turned, and OpenSlide turns each tile in itself"
    if pyramid.vendor in ("ome-tiff", "perkinelmer"):
        return f"a file of {pyramid.vendor}, of which OpenSlide sees the finest level at most"
    if pyramid.sampling.unspecified:
        return "a TIFF with a sample that is neither colour nor alpha, which OpenSlide mixes in"
    if pyramid.number:
        return "a TIFF in which the slide is not the first page, the one that OpenSlide shows"
    if finest.samplesperpixel == 2:
        return "a TIFF of grey with alpha, which OpenSlide drops"
    if compression_name(finest) in _UNKNOWN_TO_OPENSLIDE:
        return f"a TIFF compressed by {compression_name(finest)}, which OpenSlide does not read"
    if not finest.is_tiled:
        return "a TIFF in strips, read piece by piece"
    return f"a TIFF in tiles ({compression_name(finest).lower()}) with the pixels of OpenSlide"


def _map(
    page: tifffile.TiffPage, path: Path, byteorder: str
) -> npt.NDArray[np.unsignedinteger[Any]] | RangeArray | None:
    """Return a page that needs no decoding as an array that is read where it is touched."""
    if not is_mappable(page):
        return None
    assert page.dtype is not None
    dtype = np.dtype(f"{byteorder}u{page.dtype.itemsize}")
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    if isinstance(path, RemotePath):
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples > 1:
            raise UnknownFormatError("a remote TIFF with separate colour planes", path)
        return RangeArray(path.object, page.dataoffsets[0], dtype, (height, width, samples))
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        planes = np.memmap(path, dtype, "r", page.dataoffsets[0], (samples, height, width))
        return np.moveaxis(planes, 0, -1)
    return np.memmap(path, dtype, "r", page.dataoffsets[0], (height, width, samples))


def open_tiff(path: Path) -> tifffile.TiffFile:
    """Open a TIFF by tifffile, here or behind an address."""
    return tifffile.TiffFile(path.open("rb") if isinstance(path, RemotePath) else path)


def tiff_errors(path: Path) -> AbstractContextManager[None]:
    """Turn whatever a damaged structure makes tifffile do into :class:`DamagedSlideError`."""
    return translate_errors(
        lambda why: DamagedSlideError(f"the TIFF structure is damaged: {why}", path)
    )

"""Tiled TIFF files through tifffile and imagecodecs: Aperio, generic pyramids, OME-TIFF."""

from __future__ import annotations

import re
import struct
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import tifffile

from wsiseg.errors import DamagedSlideError, SlideError, UnknownFormatError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.slide import (
    WHITE,
    Pixels,
    Slide,
    SlideFacts,
    make_levels,
    on_background,
)

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

_COMPRESSIONS = {"NONE", "LZW", "DEFLATE", "ADOBE_DEFLATE", "JPEG", "ZSTD", "WEBP"}
_PHOTOMETRICS = {
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.RGB,
    tifffile.PHOTOMETRIC.YCBCR,
}
_PICTURES = ("Thumbnail", "Label", "Macro")
_MICROMETRES = {"CENTIMETER": 1e4, "INCH": 25400.0}
_OME_UNITS = {"µm": 1.0, "um": 1.0, "micrometer": 1.0, "nm": 1e-3, "mm": 1e3}


class TiffSlide(Slide):
    """A tiled 8-bit TIFF.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    DamagedSlideError
        If the file is truncated or its structure cannot be read.
    """

    reader = "tifffile"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._cache = _TileCache(CACHE_BYTES)
        with understood(path), ExitStack() as stack:
            self._file = stack.enter_context(tifffile.TiffFile(path))
            self._pages = find_pyramid(self._file)
            if not self._pages:
                raise UnknownFormatError("this is no tiled 8-bit TIFF", path)
            self._refuse_truncated()
            self.facts = self._find_facts()
            stack.pop_all()
        # A viewer cannot tell when the last of its arrays lets go of the slide.
        weakref.finalize(self, self._file.close)

    def _find_facts(self) -> SlideFacts:
        page = self._pages[0]
        mpp, source = find_mpp(self._file)
        return SlideFacts(
            levels=make_levels([(p.imagelength, p.imagewidth) for p in self._pages]),
            mpp=mpp,
            mpp_source=source,
            vendor=_vendor(self._file),
            background=WHITE,
            tile_shape=(page.tilelength, page.tilewidth),
            compression=_compression(page).lower(),
            associated=tuple(
                series.name.lower() for series in self._file.series[1:] if series.name in _PICTURES
            ),
        )

    def _refuse_truncated(self) -> None:
        size = self._file.filehandle.size
        for page in self._pages:
            wanted = -(-page.imagelength // page.tilelength) * -(-page.imagewidth // page.tilewidth)
            ends = np.add(page.dataoffsets, page.databytecounts, dtype=np.int64)
            if len(ends) < wanted:
                raise DamagedSlideError(
                    f"the file is truncated: it lists {len(ends)} of {wanted} tiles",
                    self.path,
                    "Copy it again from its source.",
                )
            if ends.max() > size:
                raise DamagedSlideError(
                    f"the file is truncated: pixels up to byte {ends.max()} are declared, "
                    f"it has {size}",
                    self.path,
                    "Copy it again from its source.",
                )

    def _read(self, level: int, box: Box) -> Pixels:
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
        height, width = page.tilelength, page.tilewidth
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
        shape = page.tilelength, page.tilewidth
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
        rgb = on_background(tile[0], self.facts.background)
        if rgb.shape[:2] == shape:
            return rgb
        whole = np.full((*shape, 3), self.facts.background, np.uint8)
        whole[: rgb.shape[0], : rgb.shape[1]] = rgb[: shape[0], : shape[1]]
        return whole

    def close(self) -> None:
        """Close the file and drop the cache."""
        self._file.close()
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


def find_pyramid(file: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """Return one page per level, the finest first; empty if this reader cannot take the file.

    It takes tiled 8-bit pyramids whose pixels it gives as OpenSlide does.

    Raises
    ------
    UnknownFormatError
        If the file is a stack of channels, focus planes or times.
    """
    if not file.series or _vendor(file) not in ("aperio", "generic-tiff", "ome-tiff"):
        return []
    planes = len(file.series[0].levels[0].pages)
    if planes > 1:
        raise UnknownFormatError(
            f"the file is a stack of {planes} images, not one slide",
            file.filehandle.path,
            "Save the plane to be segmented as RGB.",
        )
    pages = [level.keyframe for level in file.series[0].levels]
    if len(pages) == 1 and not file.is_ome:
        pages += _reduced_pages(file, pages[0])
    return pages if pages and all(_is_readable(page) for page in pages) else []


def _reduced_pages(file: tifffile.TiffFile, first: tifffile.TiffPage) -> list[tifffile.TiffPage]:
    """Return the further levels of a pyramid whose writer did not flag them as such."""
    aspect = first.imagewidth / first.imagelength
    levels: list[tifffile.TiffPage] = []
    for page in file.pages[1:]:
        previous = levels[-1] if levels else first
        if (
            isinstance(page, tifffile.TiffPage)
            and page.is_tiled
            and page.imagewidth < previous.imagewidth
            and abs(page.imagewidth / page.imagelength / aspect - 1) < 0.02
        ):
            levels.append(page)
    return levels


def _is_readable(page: tifffile.TiffPage) -> bool:
    sizes = page.imagelength, page.imagewidth, page.tilelength, page.tilewidth
    return bool(
        page.is_tiled
        and min(map(int, sizes)) > 0
        and page.dtype == np.uint8
        and page.samplesperpixel in (1, 2, 3, 4)
        and page.planarconfig == tifffile.PLANARCONFIG.CONTIG
        and page.photometric in _PHOTOMETRICS
        and _compression(page) in _COMPRESSIONS
        # Only the JPEG codec turns YCbCr into RGB; colours already multiplied by alpha are for
        # OpenSlide to undo.
        and (page.photometric != tifffile.PHOTOMETRIC.YCBCR or _compression(page) == "JPEG")
        and tifffile.EXTRASAMPLE.ASSOCALPHA not in page.extrasamples
        and page.imagedepth == 1
    )


def _compression(page: tifffile.TiffPage) -> str:
    try:
        return tifffile.COMPRESSION(page.compression).name
    except ValueError:
        return f"unknown ({page.compression})"


def _vendor(file: tifffile.TiffFile) -> str:
    """Name the format; those that need more than TIFF to be understood are OpenSlide's."""
    description = file.pages.first.description
    if file.is_svs:
        return "aperio"
    if file.is_ome:
        return "ome-tiff"
    flags = {
        "hamamatsu": file.is_ndpi,
        "leica": file.is_scn,
        "philips": file.is_philips,
        "ventana": file.is_bif or "iScan" in description,
        "trestle": "trestle" in file.pages.first.software.lower(),
    }
    return next((vendor for vendor, flag in flags.items() if flag), "generic-tiff")


def find_mpp(file: tifffile.TiffFile) -> tuple[float | None, str | None]:
    """Return µm per pixel of the finest level and the field that states it."""
    page = file.pages.first
    if file.is_svs:
        stated = re.search(r"\bMPP\s*=\s*([0-9.eE+-]+)", page.description)
        if stated:
            return _number(stated[1]), "aperio.MPP"
    if file.is_ome and file.ome_metadata:
        mpp = _ome_mpp(file.ome_metadata)
        if mpp is not None:
            return mpp, "ome.PhysicalSize"
    unit = _MICROMETRES.get(getattr(page.resolutionunit, "name", ""))
    x, y = page.get_resolution()
    if unit and x > 0 and y > 0 and "XResolution" in page.tags:
        return (unit / x + unit / y) / 2, "tiff.Resolution"
    return None, None


def _ome_mpp(xml: str) -> float | None:
    sizes = []
    for axis in "XY":
        value = re.search(rf'\bPhysicalSize{axis}="([0-9.eE+-]+)"', xml)
        unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]+)"', xml)
        factor = _OME_UNITS.get(unit[1] if unit else "µm")
        number = _number(value[1]) if value else None
        if number is None or factor is None:
            return None
        sizes.append(number * factor)
    return (sizes[0] + sizes[1]) / 2


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

"""Tiled TIFF files through tifffile and imagecodecs: Aperio, generic pyramids, OME-TIFF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import tifffile

from wsiseg.errors import DamagedSlideError, SlideError, UnknownFormatError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.file_bytes import FileBytes
from wsiseg.tiling.slides.slide import (
    WHITE,
    Pixels,
    Slide,
    SlideFacts,
    make_levels,
    on_background,
)
from wsiseg.tiling.slides.tiff_tiles import DECODING_ERRORS, TiffTiles
from wsiseg.tiling.slides.tile_cache import Place, TileCache

CACHE_BYTES = 64 * 2**20
"""Decoded file tiles that are kept, so that neighbouring reads decode each of them once."""

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
        self._cache = TileCache(CACHE_BYTES)
        with understood(path), tifffile.TiffFile(path) as file:
            pages = find_pyramid(file)
            if not pages:
                raise UnknownFormatError("this is no tiled 8-bit TIFF", path)
            for page in pages:
                _refuse_truncated(page, file)
            self.facts = _find_facts(file, pages)
            self._tiles = [TiffTiles(page) for page in pages]
            self._bytes = FileBytes(path)

    def reductions(self, level: int) -> tuple[int, ...]:
        """Return by how much a level can be read reduced: JPEG has low frequencies apart."""
        return self._tiles[level].reductions

    def read_reduced(self, level: int, box: Box, reduction: int) -> Pixels:
        """Read a rectangle of one level, several pixels along as one; see the base class."""
        return self._assemble(level, box, reduction)

    def _read(self, level: int, box: Box) -> Pixels:
        return self._assemble(level, box, 1)

    def _assemble(self, level: int, box: Box, reduction: int) -> Pixels:
        pixels = np.empty((*box.shape, 3), np.uint8)
        for index, place in self._tiles[level].meeting(box, reduction):
            decode = partial(self._decode, level, index, reduction)
            tile = self._cache.get(Place(level, index), reduction, decode)
            part = place.intersection(box)
            pixels[part.within(box)] = tile[part.within(place)]
        return pixels

    def _decode(self, level: int, index: int, reduction: int) -> Pixels:
        tiles = self._tiles[level]
        try:
            return tiles.decode(self._bytes.read(*tiles.span(index)), index, reduction)
        except DECODING_ERRORS as error:
            raise DamagedSlideError(
                f"tile {index} of level {level} cannot be decoded: {error}", self.path
            ) from error

    def announce(self, level: int, box: Box) -> int:
        """Keep the box's file tiles until it is finished with, as far as there is room."""
        tiles = self._tiles[level]
        inside = box.intersection(self.levels[level].box)
        met = tiles.meeting(inside) if inside.area else ()
        return self._cache.announce(Place(level, index) for index, _ in met)

    def finish(self, ticket: int) -> None:
        """Let go of the file tiles that only this reading wanted."""
        self._cache.finish(ticket)

    def _read_associated(self, name: str) -> Pixels:
        # A file of its own, as tifffile moves about in the one that it has.
        with understood(self.path), tifffile.TiffFile(self.path) as file:
            series = next(s for s in file.series[1:] if s.name.lower() == name)
            return on_background(series.asarray(), self.facts.background)

    def _after_fork(self) -> None:
        # Another thread may have held the lock.
        self._cache = TileCache(CACHE_BYTES)

    def close(self) -> None:
        """Close the file and drop the cache."""
        self._bytes.close()
        self._cache = TileCache(0)


def _find_facts(file: tifffile.TiffFile, pages: list[tifffile.TiffPage]) -> SlideFacts:
    finest = pages[0]
    mpp, source = find_mpp(file)
    return SlideFacts(
        levels=make_levels([(page.imagelength, page.imagewidth) for page in pages]),
        mpp=mpp,
        mpp_source=source,
        vendor=_vendor(file),
        background=WHITE,
        tile_shape=(finest.tilelength, finest.tilewidth),
        compression=_compression(finest).lower(),
        associated=tuple(
            series.name.lower() for series in file.series[1:] if series.name in _PICTURES
        ),
    )


def _refuse_truncated(page: tifffile.TiffPage, file: tifffile.TiffFile) -> None:
    path, size = file.filehandle.path, file.filehandle.size
    wanted = -(-page.imagelength // page.tilelength) * -(-page.imagewidth // page.tilewidth)
    ends = np.add(page.dataoffsets, page.databytecounts, dtype=np.int64)
    if len(ends) < wanted:
        raise DamagedSlideError(
            f"the file is truncated: it lists {len(ends)} of {wanted} tiles",
            path,
            "Copy it again from its source.",
        )
    if ends.max() > size:
        raise DamagedSlideError(
            f"the file is truncated: pixels up to byte {ends.max()} are declared, it has {size}",
            path,
            "Copy it again from its source.",
        )


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Turn whatever a damaged structure makes tifffile do into :class:`DamagedSlideError`."""
    try:
        yield
    except SlideError:
        raise
    except DECODING_ERRORS as error:
        raise DamagedSlideError(f"the TIFF structure is damaged: {error}", path) from error


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

"""Which pages of a TIFF are the slide, and whether tifffile may read them."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import numpy as np
import tifffile

from wsiseg.errors import DamagedSlideError, UnknownFormatError, UnsuitableSlideError
from wsiseg.tiling.slides.pixel_size import PixelSize, choose, from_ome, from_resolution, number
from wsiseg.tiling.slides.tiff_structure import LARGEST_TILE

LARGEST_STRIP = 2**22
"""Pixels of a strip; with larger ones the picture is better decoded whole, once."""

READ_HERE = ("aperio", "generic-tiff", "ome-tiff", "perkinelmer")
"""Whose files need no more than TIFF to be understood; the others are OpenSlide's."""

_LOSSLESS = {"NONE", "LZW", "DEFLATE", "ADOBE_DEFLATE", "PACKBITS", "ZSTD"}
_COMPRESSIONS = _LOSSLESS | {"JPEG", "WEBP", "JPEG2000", "APERIO_JP2000_RGB"}
_PHOTOMETRICS = {
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.RGB,
    tifffile.PHOTOMETRIC.YCBCR,
}
_SHOWN = 6


@dataclass(frozen=True)
class Pyramid:
    """The slide in a TIFF.

    Attributes
    ----------
    pages : tuple of tifffile.TiffPage
        One per level, the finest first.
    vendor : str
        Whose format it is.
    warnings : tuple of str
        What was left out.
    """

    pages: tuple[tifffile.TiffPage, ...]
    vendor: str
    warnings: tuple[str, ...] = ()


def find_pyramid(file: tifffile.TiffFile) -> Pyramid:
    """Find the slide, in pages whose pixels are given here as OpenSlide gives them.

    Raises
    ------
    UnknownFormatError
        If the file is not for this reader; the text says why.
    UnsuitableSlideError
        If it is a stack.
    DamagedSlideError
        If a level lists fewer tiles than it has.
    """
    path = file.filehandle.path
    vendor = find_vendor(file)
    if vendor not in READ_HERE:
        raise UnknownFormatError(f"a file of {vendor}, which OpenSlide understands", path)
    if not file.series:
        raise UnknownFormatError("a TIFF without a picture", path)
    _refuse_stack(file)
    _refuse_measurements(file.series[0].levels[0].keyframe, path)
    pages = [level.keyframe for level in file.series[0].levels]
    if not pages[0].is_tiled and not file.is_ome:
        # Smaller pages beside strips are thumbnails, made in any way.
        pages = pages[:1]
    elif len(pages) == 1 and not file.is_ome:
        pages += _reduced_pages(file, pages[0])
    for page in pages:
        reason = why_not(page)
        if reason is not None:
            raise UnknownFormatError(reason, path)
    kept = [page for page in pages if page is pages[0] or _has_pixels(page)]
    missing = [index for index, page in enumerate(pages) if page not in kept]
    for page in kept:
        _refuse_unlisted(page, file)
    warnings = [f"level {index} of the file has no pixels and is not used" for index in missing]
    if pages[0].dtype == np.uint16:
        warnings.append("16 bits a channel are scaled to 8")
    return Pyramid(tuple(kept), vendor, tuple(warnings))


def find_vendor(file: tifffile.TiffFile) -> str:
    """Name the format."""
    first = file.pages.first
    flags = {
        "aperio": file.is_svs,
        "ome-tiff": file.is_ome,
        "perkinelmer": file.is_qpi,
        "hamamatsu": file.is_ndpi,
        "leica": file.is_scn,
        "philips": file.is_philips,
        "ventana": file.is_bif or "iScan" in first.description,
        "trestle": "medscan" in first.software.lower(),
    }
    return next((vendor for vendor, flag in flags.items() if flag), "generic-tiff")


def find_pixel_size(file: tifffile.TiffFile) -> PixelSize | None:
    """Return what the file states of a pixel's size, see :mod:`wsiseg.tiling.slides.pixel_size`."""
    page = file.pages.first
    return choose((_aperio(file), _ome(file), _resolution(page)))


def _aperio(file: tifffile.TiffFile) -> PixelSize | None:
    stated = re.search(r"\bMPP\s*=\s*([^|\s]+)", file.pages.first.description)
    value = number(stated[1]) if stated and file.is_svs else None
    return None if value is None else PixelSize(value, value, "aperio.MPP")


def _ome(file: tifffile.TiffFile) -> PixelSize | None:
    return from_ome(file.ome_metadata) if file.is_ome and file.ome_metadata else None


def _resolution(page: tifffile.TiffPage) -> PixelSize | None:
    if "XResolution" not in page.tags or "YResolution" not in page.tags:
        return None
    x, y = page.get_resolution()
    return from_resolution(y, x, getattr(page.resolutionunit, "name", ""))


def _refuse_stack(file: tifffile.TiffFile) -> None:
    """Channels, focus planes and times are no picture; how to colour them nobody has said."""
    planes = len(file.series[0].levels[0].pages)
    if planes == 1:
        return
    named = re.findall(r'<Channel\b[^>]*\bName="([^"]*)"', file.ome_metadata or "")
    if file.is_qpi:
        descriptions = (getattr(page, "description", "") for page in file.pages)
        named = re.findall(r"<Name>([^<]*)<", "".join(itertools.islice(descriptions, planes)))
    channels = f" ({', '.join(named[:_SHOWN])}{', …' * (len(named) > _SHOWN)})" if named else ""
    raise UnsuitableSlideError(
        f"the file is a stack of {planes} images{channels}, not one slide",
        file.filehandle.path,
        "Save the plane to be segmented as RGB.",
    )


def _refuse_measurements(page: tifffile.TiffPage, path: str) -> None:
    """Refuse what OpenSlide would show somehow: numbers that are no colours."""
    samples, dtype = page.samplesperpixel, page.dtype
    if samples > 4 or dtype not in (np.uint8, np.uint16) or (dtype == np.uint16 and samples < 3):
        raise UnsuitableSlideError(
            f"{samples} channel{'s' * (samples > 1)} of {dtype}, in which nothing says what is "
            "black and what white",
            path,
            "Save what is to be segmented as RGB of 8 bits.",
        )


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


def why_not(page: tifffile.TiffPage) -> str | None:
    """Say why a page's pixels cannot be read here as OpenSlide reads them; None if they can."""
    height, width = segment_shape(page)
    if min(page.imagelength, page.imagewidth, height, width) < 1 or page.imagedepth != 1:
        return "a TIFF without pixels, or with a depth"
    if height * width > LARGEST_TILE and not is_mappable(page):
        return f"a TIFF in pieces of {height * width / 1e6:.0f} megapixels"
    compression = compression_name(page)
    if compression not in _COMPRESSIONS:
        return f"a TIFF compressed by {compression.lower()}"
    # Only the JPEG codec turns YCbCr into RGB.
    if page.photometric not in _PHOTOMETRICS or (
        page.photometric == tifffile.PHOTOMETRIC.YCBCR and compression != "JPEG"
    ):
        return f"a TIFF of {getattr(page.photometric, 'name', 'unknown').lower()} colours"
    if page.planarconfig != tifffile.PLANARCONFIG.CONTIG:
        return "a TIFF whose colours lie apart"
    if tifffile.EXTRASAMPLE.ASSOCALPHA in page.extrasamples:
        return "a TIFF with colours already multiplied by their alpha"
    if not (page.is_tiled or is_mappable(page)) and height * width > LARGEST_STRIP:
        return f"a TIFF in strips of {width}×{height} pixels"
    return None


def segment_shape(page: tifffile.TiffPage) -> tuple[int, int]:
    """Return ``(height, width)`` of the pieces in which a page is stored, tiles or strips."""
    if page.is_tiled:
        return int(page.tilelength), int(page.tilewidth)
    return min(int(page.rowsperstrip), int(page.imagelength)), int(page.imagewidth)


def is_mappable(page: tifffile.TiffPage) -> bool:
    """Tell whether a page lies in the file as one array, so that any part of it can be taken."""
    return bool(page.is_contiguous and not page.is_tiled)


def compression_name(page: tifffile.TiffPage) -> str:
    """Name how a page is compressed."""
    try:
        return tifffile.COMPRESSION(page.compression).name
    except ValueError:
        return f"unknown method {page.compression}"


def _has_pixels(page: tifffile.TiffPage) -> bool:
    return any(page.databytecounts)


def _refuse_unlisted(page: tifffile.TiffPage, file: tifffile.TiffFile) -> None:
    height, width = segment_shape(page)
    wanted = -(-page.imagelength // height) * -(-page.imagewidth // width)
    listed = min(len(page.dataoffsets), len(page.databytecounts))
    if listed < wanted:
        raise DamagedSlideError(
            f"the file is truncated: it lists {listed} of {wanted} tiles",
            file.filehandle.path,
            "Copy it again from its source.",
        )
    ends = np.add(page.dataoffsets[:listed], page.databytecounts[:listed], dtype=np.int64)
    if ends.max() > file.filehandle.size:
        # Not only the first directories, which were looked at before, but those below them too.
        raise DamagedSlideError(
            f"the file is truncated: pixels up to byte {ends.max()} are declared, "
            f"it has {file.filehandle.size}",
            file.filehandle.path,
            "Copy it again from its source.",
        )

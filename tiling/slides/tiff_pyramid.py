"""The pyramid of a TIFF: levels, vendor, pixel size, and whether tifffile may read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from wsiseg.errors import DamagedSlideError, UnknownFormatError, UnsuitableSlideError
from wsiseg.tiling.slides.descriptions import from_aperio, from_imagej, is_aperio
from wsiseg.tiling.slides.ome_xml import is_ome_xml
from wsiseg.tiling.slides.pixel_size import (
    PixelSize,
    choose_pixel_size,
    explain_rejected,
    from_resolution,
)
from wsiseg.tiling.slides.tiff_pages import SlidePages, description, find_slide
from wsiseg.tiling.slides.tiff_samples import Sampling, find_sampling
from wsiseg.tiling.slides.tiff_structure import LARGEST_TILE

LARGEST_STRIP = 2**22
"""Pixels of a strip; with larger ones the picture is better decoded whole, once."""

TIFFFILE_VENDORS = ("aperio", "generic-tiff", "ome-tiff", "perkinelmer")
"""Whose files need no more than TIFF to be understood; the others are OpenSlide's."""

_LOSSLESS = {"NONE", "LZW", "DEFLATE", "ADOBE_DEFLATE", "PACKBITS", "ZSTD"}
_COMPRESSIONS = _LOSSLESS | {"JPEG", "WEBP", "JPEG2000", "APERIO_JP2000_RGB"}
_PHOTOMETRICS = {
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.RGB,
    tifffile.PHOTOMETRIC.YCBCR,
}


@dataclass(frozen=True)
class Pyramid:
    """The slide in a TIFF.

    Attributes
    ----------
    pages : tuple of tifffile.TiffPage
        One per level, the finest first.
    number : int
        Which page of the file the finest is.
    vendor : str
        Whose format it is.
    sampling : Sampling
        What the samples of its pixels are.
    pixel_size : PixelSize or None
        What is believed of its level 0.
    others : dict of str to int
        Pages that are no part of it, by name.
    warnings : tuple of str
        What was left out, or not believed.
    """

    pages: tuple[tifffile.TiffPage, ...]
    number: int
    vendor: str
    sampling: Sampling
    pixel_size: PixelSize | None
    others: dict[str, int]
    warnings: tuple[str, ...] = ()


def find_pyramid(file: tifffile.TiffFile, path: Path) -> Pyramid:
    """Find the slide in a TIFF, whichever library then reads its pixels.

    Parameters
    ----------
    file : tifffile.TiffFile
        Open.
    path : Path
        The file, for errors.

    Returns
    -------
    Pyramid
        Levels without pixels are left out, with a warning.

    Raises
    ------
    UnknownFormatError
        If it is of a vendor whose files OpenSlide alone understands, or has no picture.
    UnsuitableSlideError
        If it is a stack, or no picture in colours.
    DamagedSlideError
        If a level lists fewer tiles than it has.
    """
    vendor = find_vendor(file)
    if vendor not in TIFFFILE_VENDORS:
        raise UnknownFormatError(f"a file of {vendor}, which OpenSlide understands", path)
    found = find_slide(file, path)
    finest = found.levels[0]
    sampling = find_sampling(finest, path)
    _refuse_measurements(finest, sampling, path)
    kept = [page for page in found.levels if page is finest or _has_pixels(page)]
    missing = [index for index, page in enumerate(found.levels) if page not in kept]
    for page in kept:
        _refuse_unlisted(page, file, path)
    size, doubts = _pixel_size(found, vendor)
    warnings = [
        *found.warnings,
        *(f"level {index} of the file has no pixels and is not used" for index in missing),
        *sampling.warnings,
        *doubts,
    ]
    return Pyramid(tuple(kept), found.number, vendor, sampling, size, found.others, tuple(warnings))


def refuse_unsupported_pixels(pyramid: Pyramid, path: Path) -> None:
    """Refuse a pyramid whose pixels tifffile would decode otherwise than OpenSlide does.

    Parameters
    ----------
    pyramid : Pyramid
        What :func:`find_pyramid` returned.
    path : Path
        The file, for the error.

    Raises
    ------
    UnknownFormatError
        With the reason.
    """
    if pyramid.sampling.associated:
        raise UnknownFormatError("a TIFF with premultiplied alpha", path)
    for page in pyramid.pages:
        reason = unsupported_reason(page, pyramid.sampling)
        if reason is not None:
            raise UnknownFormatError(reason, path)


def find_vendor(file: tifffile.TiffFile) -> str:
    """Return the name of the format, ``"generic-tiff"`` if it is no vendor's."""
    first = file.pages.first
    text = description(first)
    flags = {
        "aperio": is_aperio(text),
        "ome-tiff": is_ome_xml(text),
        "perkinelmer": file.is_qpi,
        "hamamatsu": file.is_ndpi,
        "leica": file.is_scn,
        "philips": file.is_philips,
        "ventana": file.is_bif or "iScan" in text,
        "trestle": "medscan" in first.software.lower(),
    }
    return next((vendor for vendor, flag in flags.items() if flag), "generic-tiff")


def _pixel_size(found: SlidePages, vendor: str) -> tuple[PixelSize | None, tuple[str, ...]]:
    """Return what is believed, and what is said and is not."""
    finest = found.levels[0]
    size, doubt = from_aperio(found.text) if vendor == "aperio" else (None, None)
    stated = (
        size,
        None if found.image is None else found.image.pixel_size,
        *_resolution(finest, found.text),
    )
    chosen = choose_pixel_size(stated)
    return chosen, (*(() if doubt is None else (doubt,)), *explain_rejected(stated, chosen))


def _resolution(page: tifffile.TiffPage, text: str) -> tuple[PixelSize | None, ...]:
    """Return what the resolution tags say, in ImageJ's unit and in their own."""
    if "XResolution" not in page.tags or "YResolution" not in page.tags:
        return ()
    x, y = page.get_resolution()
    unit = getattr(page.resolutionunit, "name", "")
    own = from_resolution(y, x, unit)
    return (from_imagej(text, y, x) if own is None else None, own)


def _refuse_measurements(page: tifffile.TiffPage, sampling: Sampling, path: Path) -> None:
    """Refuse what OpenSlide would show somehow: numbers that are no colours."""
    samples, dtype = page.samplesperpixel, page.dtype
    if dtype not in (np.uint8, np.uint16) or (dtype == np.uint16 and sampling.colours < 3):
        raise UnsuitableSlideError(
            f"{samples} channel{'s' * (samples > 1)} of {dtype}, whose range of values is not "
            "stated",
            path,
            "Save what is to be segmented as RGB of 8 bits.",
        )


def unsupported_reason(page: tifffile.TiffPage, sampling: Sampling) -> str | None:
    """Say why a page's pixels cannot be decoded here as OpenSlide decodes them.

    Parameters
    ----------
    page : tifffile.TiffPage
        One level.
    sampling : Sampling
        Meaning of its samples.

    Returns
    -------
    str or None
        None if they can.
    """
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
    if page.planarconfig != tifffile.PLANARCONFIG.CONTIG and (
        compression not in _LOSSLESS or not sampling.unspecified
    ):
        # Of those with a sample too many, neither OpenSlide nor Pillow makes the right picture.
        return "a TIFF whose colours lie apart"
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


def _refuse_unlisted(page: tifffile.TiffPage, file: tifffile.TiffFile, path: Path) -> None:
    height, width = segment_shape(page)
    wanted = -(-page.imagelength // height) * -(-page.imagewidth // width)
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        wanted *= page.samplesperpixel
    listed = min(len(page.dataoffsets), len(page.databytecounts))
    if listed < wanted:
        raise DamagedSlideError(
            f"the file is cut off (incomplete copy?): it lists {listed} of {wanted} tiles",
            path,
            "Copy it again from its source.",
        )
    ends = np.add(page.dataoffsets[:listed], page.databytecounts[:listed], dtype=np.int64)
    if ends.max() > file.filehandle.size:
        # Not only the first directories, which were looked at before, but those below them too.
        raise DamagedSlideError(
            f"the file is cut off (incomplete copy?): pixels up to byte {ends.max()} are declared, "
            f"it has {file.filehandle.size}",
            path,
            "Copy it again from its source.",
        )

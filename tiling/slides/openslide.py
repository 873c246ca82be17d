"""Everything that OpenSlide opens."""

from __future__ import annotations

import glob
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import openslide

from wsiseg.error_translation import translate_errors
from wsiseg.errors import DamagedSlideError, SlideError, UnknownFormatError
from wsiseg.remote.addresses import is_remote
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.czi_structure import check_czi
from wsiseg.tiling.slides.fingerprint import fingerprint
from wsiseg.tiling.slides.fork_hooks import call_after_fork
from wsiseg.tiling.slides.lengths import number
from wsiseg.tiling.slides.openslide_pixels import read_pixels
from wsiseg.tiling.slides.pixel_size import (
    PixelSize,
    choose_pixel_size,
    from_resolution,
    mpp_differs,
)
from wsiseg.tiling.slides.pixels import WHITE, Colour, Pixels, on_background
from wsiseg.tiling.slides.slide import OTHER_FORMAT, SlideFacts, make_levels
from wsiseg.tiling.slides.tiff import describe_tiff, find_openslide_vendor
from wsiseg.tiling.slides.tiff_pyramid import TIFFFILE_VENDORS, Pyramid
from wsiseg.tiling.slides.tiff_structure import LARGEST_TILE, check_structure
from wsiseg.tiling.slides.tile_cache import OPENSLIDE_CACHE_BYTES
from wsiseg.tiling.slides.tiled import LARGEST_BLOCK, BlockSlide, FileTiling

Properties = Mapping[str, str]

_BLOCK = 512
"""Edge of a block: a smaller one costs more for its call than for its pixels."""

_MPP_SOURCES = {"generic-tiff": "tiff.Resolution", "dicom": "dicom.PixelSpacing"}
_UNREAD = re.compile(
    r"unsupported|not supported|unrecognized|nonzero subblock|BitsAllocated|image flavor",
    re.IGNORECASE,
)


class OpenSlideSlide(BlockSlide):
    """A slide of any vendor that OpenSlide knows.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UnknownFormatError
        If OpenSlide does not know the format.
    DamagedSlideError
        If it does, and the file is damaged.
    """

    reader = "openslide"
    takes = "a slide that OpenSlide knows"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._closed = False
        if is_remote(path):
            raise UnknownFormatError(OTHER_FORMAT, path)
        self._file = _one_of_series(path) if path.is_dir() else path
        # On directories that are damaged, OpenSlide may end the whole process.
        check_structure(self._file)
        check_czi(self._file)
        self._handle = self._open()
        with translate_errors(
            lambda why: DamagedSlideError(f"OpenSlide cannot open it: {why}", path)
        ):
            self._read_metadata(path)
        self.why = f"OpenSlide knows {self.facts.vendor} files"
        call_after_fork(self, OpenSlideSlide._after_fork)

    def _read_metadata(self, path: Path) -> None:
        """Collect the metadata that the handle gives."""
        self._downsamples = self._handle.level_downsamples
        if any(min(size) < 1 for size in self._handle.level_dimensions):
            self._handle.close()
            raise DamagedSlideError("OpenSlide finds a level without pixels", path)
        if max(h * w for h, w in self._own_tiles()) > LARGEST_TILE:
            self._handle.close()
            raise DamagedSlideError("OpenSlide finds tiles of more than 64 megapixels", path)
        properties = self._handle.properties
        tiff = self._checked_tiff()
        profile, warnings = self._icc_profile()
        self._quickhash = properties.get(openslide.PROPERTY_NAME_QUICKHASH1)
        self.facts = SlideFacts(
            levels=make_levels([(h, w) for w, h in self._handle.level_dimensions]),
            pixel_size=_find_pixel_size(properties, tiff),
            vendor=properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
            background=_background(properties),
            tile_shape=_tile_shape(properties, 0),
            bounds=_bounds(properties),
            associated=tuple(self._handle.associated_images),
            warnings=(*warnings, *(() if tiff is None else tiff.warnings)),
            icc_profile=profile,
        )
        self._tilings = [self._tiling(index) for index in range(len(self.levels))]

    @property
    def cache_bytes(self) -> int:
        """Bytes of blocks, and of the file tiles that they are made of."""
        return super().cache_bytes + OPENSLIDE_CACHE_BYTES

    def _own_tiles(self) -> list[tuple[int, int]]:
        """Return ``(height, width)`` of the file tiles of each level, as far as they are known."""
        levels = range(self._handle.level_count)
        return [_tile_shape(self._handle.properties, level) or (0, 0) for level in levels]

    def _checked_tiff(self) -> Pyramid | None:
        """Return the pyramid of a TIFF that tifffile understands; refuse one OpenSlide misreads."""
        if self._handle.properties.get(openslide.PROPERTY_NAME_VENDOR) not in TIFFFILE_VENDORS:
            return None
        try:
            tiff = describe_tiff(self._file)
            if tiff is not None:
                _refuse_misread(self._handle, tiff, self.path)
        except SlideError:
            self._handle.close()
            raise
        return tiff

    def _icc_profile(self) -> tuple[bytes | None, tuple[str, ...]]:
        """Return the profile, and what to say of one that is damaged."""
        try:
            profile = self._handle.color_profile
        except (openslide.OpenSlideError, OSError, ValueError) as error:
            # An error kills the handle.
            self._reopen(self._handle)
            return None, (f"its ICC profile is damaged: {error}",)
        return (None if profile is None else bytes(profile.tobytes())), ()

    def _open(self) -> openslide.OpenSlide:
        with translate_errors(
            lambda why: DamagedSlideError(f"OpenSlide cannot open it: {why}", self.path)
        ):
            return self._open_handle()

    def _open_handle(self) -> openslide.OpenSlide:
        file = self._file
        try:
            handle = openslide.OpenSlide(file)
        except openslide.OpenSlideUnsupportedFormatError as error:
            _refuse_vendors(file, "finds no whole slide in it")
            raise UnknownFormatError(_name_unknown(file), self.path) from error
        except openslide.OpenSlideError as error:
            reason = str(error).removeprefix(f"Reading {file}: ")
            # It says what it does not read, and what it finds damaged, by one class.
            if not _UNREAD.search(reason):
                raise DamagedSlideError(f"OpenSlide cannot open it: {reason}", self.path) from error
            _refuse_vendors(file, f"cannot open it: {reason}")
            raise UnknownFormatError(f"OpenSlide cannot open it: {reason}", self.path) from error
        height, width = _tile_shape(handle.properties, 0) or (0, 0)
        # Of file tiles that are too large to be kept here, OpenSlide has room for two.
        large = height * width > LARGEST_BLOCK
        room = self.cache_bytes if large else OPENSLIDE_CACHE_BYTES
        handle.set_cache(openslide.OpenSlideCache(room))
        return handle

    def _tiling(self, level: int) -> FileTiling:
        shape = _tile_shape(self._handle.properties, level)
        tiling = FileTiling.of_blocks(self.levels[level], shape, _BLOCK)
        # Blocks would begin between its pixels, each a little elsewhere, and OpenSlide blurs there.
        return replace(tiling, cached=tiling.cached and self._downsamples[level].is_integer())

    def _read_piece(self, level: int, box: Box) -> Pixels:
        # Its own figure, as OpenSlide divides by it again.
        downsample = self._downsamples[level]
        corner = round(box.x * downsample), round(box.y * downsample)
        size, background = (box.width, box.height), self.facts.background
        return self._attempt(
            lambda handle: read_pixels(handle, corner, level, size, background),
            f"{box.width}×{box.height} pixels at y={box.y}, x={box.x} of level {level}",
        )

    def _attempt(self, read: Callable[[openslide.OpenSlide], Pixels], what: str) -> Pixels:
        """Read pixels; an error kills the handle, for the other threads as well."""
        handle = self._handle
        with translate_errors(
            lambda why: DamagedSlideError(f"{what} cannot be read: {why}", self.path)
        ):
            try:
                return read(handle)
            except openslide.OpenSlideError:
                self._reopen(handle)
                # Another thread's error may have killed it, so retry with a handle of its own.
                with self._open() as alone:
                    return read(alone)

    def fingerprint(self) -> dict[str, object]:
        """Return what tells this slide from another, though it may be many files."""
        return {
            **fingerprint(self._file, _companions(self._file)),
            "quickhash": self._quickhash,
        }

    def _read_associated(self, name: str) -> Pixels:
        def read(handle: openslide.OpenSlide) -> Pixels:
            return on_background(np.asarray(handle.associated_images[name]), self.facts.background)

        return self._attempt(read, f"its {name}")

    def _reopen(self, dead: openslide.OpenSlide) -> None:
        """Replace a handle that an error has killed; the first thread to notice does it."""
        with self._lock:
            if self._handle is dead:
                self._handle = self._open()

    def _after_fork(self) -> None:
        super()._after_fork()
        # The file's position belongs to both processes; closing would move it for the other.
        self._inherited = self._handle
        self._lock = threading.Lock()
        if not self._closed:
            self._handle = self._open()

    def close(self) -> None:
        """Close the handle; once is enough."""
        super().close()
        with self._lock:
            if not self._closed:
                self._handle.close()
            self._closed = True


def _one_of_series(folder: Path) -> Path:
    """Return a DICOM file of a folder; OpenSlide finds the others of its series."""
    files = sorted(each for each in folder.iterdir() if each.is_file())
    found = next(filter(_is_dicom, files), None)
    if found is None:
        raise UnknownFormatError(OTHER_FORMAT, folder)
    return found


def _companions(file: Path) -> list[Path]:
    """Return the other files that hold a slide's pixels, where there are any."""
    kind = file.suffix.lower()
    if kind in (".vms", ".vmu"):
        found = file.parent.glob(f"{glob.escape(file.stem)}*")
    elif kind == ".mrxs":
        found = file.with_suffix("").rglob("*")
    elif _is_dicom(file):
        found = file.parent.iterdir()
    else:
        return []
    return sorted(each for each in found if each.is_file() and each != file)


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError as error:
        raise DamagedSlideError(f"the file cannot be read: {error.strerror}", path) from error


def _refuse_vendors(path: Path, reason: str) -> None:
    """Refuse a scanner's slide, of which the next reader would show one page as a picture."""
    vendor = find_openslide_vendor(path)
    if vendor is not None:
        raise DamagedSlideError(
            f"a file of {vendor}, and OpenSlide {reason}", path, "Copy it again from its source."
        )


def _name_unknown(path: Path) -> str:
    if _is_dicom(path):
        return "a DICOM object that is no whole-slide image"
    return OTHER_FORMAT


def _refuse_misread(handle: openslide.OpenSlide, tiff: Pyramid, path: Path) -> None:
    """Refuse a TIFF of which OpenSlide shows another picture, or other colours."""
    if tiff.sampling.unspecified:
        raise UnknownFormatError(
            "OpenSlide would take its extra channel for alpha, which it is not", path
        )
    finest = tiff.pages[0]
    size = int(finest.imagewidth), int(finest.imagelength)
    width, height = handle.level_dimensions[0]
    if width * height < size[0] * size[1]:
        raise UnknownFormatError(
            f"OpenSlide shows a page of {width}×{height}, the slide is one of {size[0]}×{size[1]}",
            path,
        )


def stated_by_openslide(path: Path) -> float | None:
    """Return the µm per pixel that OpenSlide itself states for a file; None if it states none.

    Parameters
    ----------
    path : Path
        One whose structure has been checked.
    """
    try:
        with openslide.OpenSlide(path) as handle:
            size = _known_pixel_size(handle.properties)
    except openslide.OpenSlideError:
        # A file that OpenSlide cannot open gets no value to compare with.
        return None
    return None if size is None else size.mpp


def _known_pixel_size(properties: Properties) -> PixelSize | None:
    height, width = (
        number(properties.get(name))
        for name in (openslide.PROPERTY_NAME_MPP_Y, openslide.PROPERTY_NAME_MPP_X)
    )
    vendor = properties.get(openslide.PROPERTY_NAME_VENDOR, "")
    source = _MPP_SOURCES.get(vendor, "openslide.mpp")
    return None if height is None or width is None else PixelSize(height, width, source)


def _find_pixel_size(properties: Properties, tiff: Pyramid | None) -> PixelSize | None:
    known = _known_pixel_size(properties)
    if tiff is not None:
        # What the file says for itself, in OpenSlide's word where it found the vendor's too.
        own = tiff.pixel_size
        is_vendors = own is not None and own.source == "aperio.MPP"
        agreed = own is not None and known is not None and not mpp_differs(known.mpp, own.mpp)
        return known if is_vendors and agreed else own
    resolution = from_resolution(
        properties.get("tiff.YResolution"),
        properties.get("tiff.XResolution"),
        properties.get("tiff.ResolutionUnit", ""),
    )
    return choose_pixel_size((known, resolution))


def _background(properties: Properties) -> Colour:
    text = properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR)
    if text is None or len(text) != 6:
        return WHITE
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def _tile_shape(properties: Properties, level: int) -> tuple[int, int] | None:
    try:
        return (
            int(properties[f"openslide.level[{level}].tile-height"]),
            int(properties[f"openslide.level[{level}].tile-width"]),
        )
    except (KeyError, ValueError):
        return None


def _bounds(properties: Properties) -> Box | None:
    try:
        return Box(
            int(properties[openslide.PROPERTY_NAME_BOUNDS_Y]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_X]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_HEIGHT]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_WIDTH]),
        )
    except (KeyError, ValueError):
        return None

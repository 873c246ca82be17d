"""Plain pictures (PNG, JPEG, WebP, odd TIFFs, …) as slides of one level."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from PIL import Image

from wsiseg.errors import DamagedSlideError, UnknownFormatError, UnsuitableSlideError
from wsiseg.remote.addresses import is_remote
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.decoding import decoding, open_picture, picture_orientation, strips
from wsiseg.tiling.slides.fork_hooks import call_after_fork
from wsiseg.tiling.slides.high_bit_depth import bit_depth, find_decoder
from wsiseg.tiling.slides.jpeg2000 import read_headers
from wsiseg.tiling.slides.orientation import Orientation
from wsiseg.tiling.slides.pixels import WHITE, Pixels, Samples, on_background, to_8_bits
from wsiseg.tiling.slides.slide import OTHER_FORMAT, Slide, SlideFacts, make_levels
from wsiseg.tiling.slides.tiff import describe_tiff
from wsiseg.tiling.slides.tiff_pyramid import Pyramid
from wsiseg.tiling.slides.tiff_structure import check_structure

LARGEST_PICTURE = 120_000_000
"""Pixels of what is decoded whole; for a while each of them takes 7 bytes, 11 if it is deep."""

_MOST_COMPONENTS = 4
_ROWS = 512
"""Rows that are converted at a time."""

_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"}


class PictureSlide(Slide):
    """A picture, decoded whole at the first read.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UnknownFormatError
        If it is no picture.
    UnsuitableSlideError
        If it is a grey one of more than 8 bits, or one of several.
    DamagedSlideError
        If it is damaged, or too large to be decoded whole.
    """

    reader = "pillow"
    takes = "a picture that Pillow knows"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if is_remote(path):
            raise UnknownFormatError(OTHER_FORMAT, path)
        self._lock = threading.Lock()
        self._pixels: Pixels | None = None
        # Check a TIFF's directories before any library follows them.
        self._tiff = self._describe_tiff()
        with self._open() as picture, decoding(path):
            self._orientation = picture_orientation(picture)
            self.facts = _find_facts(picture, self._orientation, path, self._tiff)
        self.why = f"a {self.facts.vendor} picture, decoded whole"
        call_after_fork(self, PictureSlide._after_fork)

    def _describe_tiff(self) -> Pyramid | None:
        """Return which page of a TIFF is the slide, and what the file says of it."""
        if not self.path.is_file():
            return None
        check_structure(self.path, every_tag=True)
        return describe_tiff(self.path)

    def _open(self) -> Image.Image:
        picture = open_picture(self.path, 0 if self._tiff is None else self._tiff.number)
        if picture.width * picture.height > LARGEST_PICTURE:
            picture.close()
            raise DamagedSlideError(
                "the picture is too large to be decoded whole",
                self.path,
                "Convert it to a tiled TIFF.",
            )
        return picture

    @property
    def cache_bytes(self) -> int:
        """Bytes of all its pixels, and of the decoder's copy."""
        return (3 + 4) * self.levels[0].box.area

    def _read(self, level: int, box: Box) -> Pixels:
        return np.array(self._decoded()[box.slices_in(self.levels[level].box)])

    def _decoded(self) -> Pixels:
        with self._lock:
            if self._pixels is None:
                self._pixels = self._decode()
            return self._pixels

    def _decode(self) -> Pixels:
        with self._open() as picture, decoding(self.path):
            depth = bit_depth(picture, self.path)
            decode = find_decoder(picture, depth)
            if decode is not None:
                samples = decode(self.path, picture.tell())
                if samples.ndim == 3 and not self._has_alpha(picture):
                    samples = samples[..., :3]
                return self._orientation.turn(self._scaled(samples, depth))
            has_alpha = self._has_alpha(picture)
            mode = "RGBA" if has_alpha else "RGB"
            picture.load()
            pixels = np.empty((picture.height, picture.width, 3), np.uint8)
            for top, part in strips(picture):
                rows = np.asarray(part.convert(mode))
                pixels[top : top + len(rows)] = on_background(rows, WHITE)
        return self._orientation.turn(pixels)

    def _has_alpha(self, picture: Image.Image) -> bool:
        """Tell whether there is an alpha channel; other extra samples are dropped."""
        if self._tiff is not None and self._tiff.sampling.alpha is None:
            return False
        if picture.format == "JPEG2000" and not read_headers(self.path).has_alpha:
            return False
        return picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info

    def _scaled(self, samples: Samples, depth: int) -> Pixels:
        height, width, *channels = samples.shape
        if self._orientation.shape((height, width)) != self.levels[0].box.shape or (
            channels not in ([3], [4]) or samples.dtype.kind != "u"
        ):
            msg = f"it holds {samples.shape} values of {samples.dtype}"
            raise ValueError(msg)
        pixels = np.empty((height, width, 3), np.uint8)
        for top in range(0, height, _ROWS):
            rows = to_8_bits(samples[top : top + _ROWS], depth)
            pixels[top : top + _ROWS] = on_background(rows, WHITE)
        return pixels

    def _after_fork(self) -> None:
        # Another thread may have held it.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Drop the pixels."""
        self._pixels = None


def _find_facts(
    picture: Image.Image, orientation: Orientation, path: Path, tiff: Pyramid | None
) -> SlideFacts:
    depth = bit_depth(picture, path)
    further = _further_component(picture, path)
    deep = depth > 8
    if picture.mode not in _MODES or (deep and picture.mode not in ("RGB", "RGBA")):
        kind = f"{depth} bits" if deep else f"mode {picture.mode}"
        raise UnsuitableSlideError(
            f"a picture of {kind}, whose range of values is not stated",
            path,
        )
    if tiff is None and _is_stack(picture):
        raise UnsuitableSlideError(
            "the file is a stack of images, not one picture",
            path,
            "Save the plane to be segmented as RGB.",
        )
    return SlideFacts(
        levels=make_levels([orientation.shape((picture.height, picture.width))]),
        pixel_size=None if tiff is None else tiff.pixel_size,
        vendor=(picture.format or "picture").lower(),
        warnings=(
            *_depth_warning(picture, depth),
            *further,
            *(() if tiff is None else tiff.warnings),
        ),
        icc_profile=_icc_profile(picture),
    )


def _depth_warning(picture: Image.Image, depth: int) -> tuple[str, ...]:
    if depth == 8:
        return ()
    how = "shown by their upper 8" if find_decoder(picture, depth) is None else "scaled to 8"
    return (f"{depth} bits a channel are {how}",)


def _further_component(picture: Image.Image, path: Path) -> tuple[str, ...]:
    """Say what is left out of a JPEG 2000 picture, and refuse one that is not what it claims."""
    if picture.format != "JPEG2000":
        return ()
    headers = read_headers(path)
    if headers.size != picture.size or not 1 <= headers.components <= _MOST_COMPONENTS:
        width, height = headers.size
        raise DamagedSlideError(
            f"its JPEG 2000 stream has {headers.components} components of {width}×{height} "
            f"pixels, its header says {picture.width}×{picture.height}",
            path,
        )
    if headers.components in (2, 4) and not headers.has_alpha:
        return (
            "a further sample of each pixel, which the file does not say to be alpha, is left out",
        )
    return ()


def _icc_profile(picture: Image.Image) -> bytes | None:
    profile = picture.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile else None


def _is_stack(picture: Image.Image) -> bool:
    """Tell channels, focus planes and films from one picture with thumbnails."""
    if getattr(picture, "n_frames", 1) == 1:
        return False
    size = picture.size
    picture.seek(1)
    same = picture.size == size
    picture.seek(0)
    return same

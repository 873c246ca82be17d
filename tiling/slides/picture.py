"""Plain pictures (PNG, JPEG, untiled TIFF) as slides of one level."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from wsiseg.errors import DamagedSlideError, UnknownFormatError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.slide import WHITE, Pixels, Slide, SlideFacts, make_levels, on_background

_EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"}
_ORIENTATION_TAG = 0x0112
_TRANSPOSED = {5, 6, 7, 8}


class PictureSlide(Slide):
    """A picture, decoded whole at the first read.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UnknownFormatError
        If it is no picture, or one of more than 8 bits a channel.
    DamagedSlideError
        If it is too large to be decoded whole.
    """

    reader = "pillow"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._pixels: Pixels | None = None
        with self._open() as picture:
            try:
                self.facts = _find_facts(picture, path)
            except (OSError, SyntaxError, ValueError, TypeError) as error:
                if isinstance(error, UnknownFormatError):
                    raise
                raise DamagedSlideError(f"the picture is damaged: {error}", path) from error

    def _open(self) -> Image.Image:
        try:
            with warnings.catch_warnings():
                # From 89 megapixels on Pillow warns; from twice that on it refuses.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                # A damaged tag beside the pixels is no reason to refuse them.
                warnings.filterwarnings("ignore", "Corrupt EXIF", UserWarning)
                return Image.open(self.path)
        except UnidentifiedImageError as error:
            raise UnknownFormatError("this is no picture in a known format", self.path) from error
        except Image.DecompressionBombError as error:
            raise DamagedSlideError(
                "the picture is too large to be decoded whole",
                self.path,
                "Convert it to a tiled TIFF.",
            ) from error
        except (OSError, SyntaxError, ValueError) as error:
            raise DamagedSlideError(f"the picture is damaged: {error}", self.path) from error

    def _read(self, level: int, box: Box) -> Pixels:
        return np.array(self._decoded()[box.within(self.levels[level].box)])

    def _decoded(self) -> Pixels:
        with self._lock:
            if self._pixels is None:
                self._pixels = self._decode()
            return self._pixels

    def _decode(self) -> Pixels:
        with self._open() as picture:
            try:
                upright = ImageOps.exif_transpose(picture)
                has_alpha = upright.mode in ("LA", "PA", "RGBA") or "transparency" in upright.info
                samples = np.asarray(upright.convert("RGBA" if has_alpha else "RGB"))
            except (OSError, SyntaxError, ValueError) as error:
                raise DamagedSlideError(f"the picture is damaged: {error}", self.path) from error
        return on_background(samples, WHITE)

    def _after_fork(self) -> None:
        # Another thread may have held it.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Drop the pixels."""
        self._pixels = None


def _find_facts(picture: Image.Image, path: Path) -> SlideFacts:
    # What Pillow calls RGB may have had 16 bits a channel.
    deep = any("16" in str(arguments) for *_, arguments in getattr(picture, "tile", ()))
    if picture.mode not in _EIGHT_BIT or deep:
        depth = "16 bits" if deep else f"mode {picture.mode}"
        raise UnknownFormatError(f"the picture has {depth}, not 8 bits a channel", path)
    if _is_stack(picture):
        raise UnknownFormatError(
            "the file is a stack of images, not one picture",
            path,
            "Save the plane to be segmented as RGB.",
        )
    return SlideFacts(
        levels=make_levels([_upright_shape(picture)]),
        mpp=None,
        mpp_source=None,
        vendor=(picture.format or "picture").lower(),
    )


def _upright_shape(picture: Image.Image) -> tuple[int, int]:
    """Return ``(height, width)`` as the camera meant it."""
    # The plain method, as that of PNG files decodes the pixels in search of a chunk.
    turned = Image.Image.getexif(picture).get(_ORIENTATION_TAG) in _TRANSPOSED
    if turned and picture.format != "TIFF":
        return picture.width, picture.height
    return picture.height, picture.width


def _is_stack(picture: Image.Image) -> bool:
    """Tell channels, focus planes and films from one picture with thumbnails."""
    if getattr(picture, "n_frames", 1) == 1:
        return False
    size = picture.size
    picture.seek(1)
    same = picture.size == size
    picture.seek(0)
    return same

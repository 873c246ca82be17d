"""Which reader takes a file: decided by what is in it, not by its name."""

from __future__ import annotations

from pathlib import Path

import openslide
import tifffile

from wsiseg.errors import DamagedSlideError, SlideNotFoundError, UnknownFormatError
from wsiseg.tiling.slides.openslide import OpenSlideSlide
from wsiseg.tiling.slides.picture import PictureSlide
from wsiseg.tiling.slides.slide import Slide
from wsiseg.tiling.slides.tiff import TiffSlide, find_pyramid, understood

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_slide(path: Path | str) -> Slide:
    """Open a slide or a picture with the reader that suits its content.

    tifffile takes a tiled TIFF where its pixels are those of OpenSlide, OpenSlide what else it
    knows, and Pillow what is a plain picture.

    Parameters
    ----------
    path : path-like
        A file of any supported format.

    Raises
    ------
    SlideNotFoundError
        If there is no such file.
    UnknownFormatError
        If no reader takes it.
    DamagedSlideError
        If a reader takes it and cannot make sense of it.
    """
    path = Path(path)
    if not path.exists():
        raise SlideNotFoundError("there is no such slide", path, "Check the path.")
    if path.is_dir():
        raise UnknownFormatError("this is a folder, not a slide", path, "Name the files in it.")
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise DamagedSlideError(f"the file cannot be read: {error.strerror}", path) from error
    if not magic:
        raise DamagedSlideError("the file is empty", path, "Copy it again from its source.")
    if magic in _TIFF_MAGIC and _is_plain_pyramid(path):
        return TiffSlide(path)
    if openslide.OpenSlide.detect_format(path):
        return OpenSlideSlide(path)
    try:
        return PictureSlide(path)
    except UnknownFormatError as error:
        if magic in _TIFF_MAGIC:
            raise UnknownFormatError(
                "this TIFF is neither a slide that OpenSlide knows nor an 8-bit picture", path
            ) from error
        raise UnknownFormatError(
            "no reader takes this file", path, "Slides and 8-bit pictures are read."
        ) from error


def _is_plain_pyramid(path: Path) -> bool:
    with understood(path), tifffile.TiffFile(path) as file:
        if not len(file.pages):
            raise DamagedSlideError(
                "the file is truncated: its directory lies behind its end",
                path,
                "Copy it again from its source.",
            )
        return bool(find_pyramid(file))

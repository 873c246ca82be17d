"""Decoding pictures by Pillow, strip by strip, without its limit on their size.

Pillow's limit (``MAX_IMAGE_PIXELS``) is one for the whole process, and would warn of pictures that
are read here; callers check the size themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image

from wsiseg.error_translation import translate_errors
from wsiseg.errors import DamagedSlideError, SlideError, UnknownFormatError
from wsiseg.tiling.slides.orientation import UPRIGHT, Orientation, exif_orientation
from wsiseg.tiling.slides.slide import OTHER_FORMAT
from wsiseg.tiling.slides.tiff_structure import check_structure

# Common ones first.  None of them runs other programs, as Pillow does for some.
_KINDS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "AVIF")

_STRIP_ROWS, _STRIP_PIXELS = 512, 2**24
"""What is converted at a time, at most."""


def open_picture(path: Path, page: int = 0) -> Image.Image:
    """Open a picture without decoding it.

    Parameters
    ----------
    path : Path
        The file.
    page : int
        Which of its pictures, where it has several.

    Raises
    ------
    UnknownFormatError
        If it is no picture.
    DamagedSlideError
        If it is damaged.
    """
    with decoding(path):
        if not path.is_file():
            raise UnknownFormatError(OTHER_FORMAT, path)
        with path.open("rb") as file:
            beginning = file.read(16)
        for kind in _KINDS:
            if kind not in Image.OPEN:
                Image.init()
            factory, accepts = Image.OPEN.get(kind, (None, None))
            if factory is None or accepts is None or not accepts(beginning):
                continue
            check_structure(path)
            with ExitStack() as stack:
                stream = stack.enter_context(path.open("rb"))
                # Without a name, as Pillow garbles plain grey TIFFs on their side when it maps
                # their file.
                picture = factory(stream, "")
                picture.seek(page)
                # From here on the picture closes it: some decode right from the file.
                picture._exclusive_fp = True  # noqa: SLF001
                stack.pop_all()
                return picture
        raise UnknownFormatError(OTHER_FORMAT, path)


def strips(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield strips of a picture from above, each with the row that it begins at."""
    rows = max(1, min(_STRIP_ROWS, _STRIP_PIXELS // picture.width))
    for top in range(0, picture.height, rows):
        bottom = min(top + rows, picture.height)
        yield top, picture.crop((0, top, picture.width, bottom))


def picture_orientation(picture: Image.Image) -> Orientation:
    """Return how the camera was held; Pillow itself turns what is TIFF."""
    exif = picture.info.get("exif", b"")
    return UPRIGHT if picture.format == "TIFF" else exif_orientation(exif)


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Translate whatever Pillow raises on a file that it cannot read."""
    with translate_errors(lambda why: DamagedSlideError(f"the picture is damaged: {why}", path)):
        try:
            yield
        except SlideError:
            raise
        except Exception as error:
            if isinstance(error.__context__, KeyError):
                # It looked up what a code of the file means.
                raise UnknownFormatError(f"Pillow does not know what {error} is", path) from error
            raise

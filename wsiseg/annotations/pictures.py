"""Mask pictures: the value or palette index of a pixel is its class."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from wsiseg.annotations.labels import LabelSource
from wsiseg.annotations.raster import (
    PixelArray,
    RasterLabels,
    look_up,
    make_lookup_table,
    one_channel,
)
from wsiseg.annotations.tiled_tiff import TiledValues, as_displayed
from wsiseg.annotations.upright import UprightValues
from wsiseg.errors import AnnotationError, DataSetError
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.slides.orientation import (
    UPRIGHT,
    Orientation,
    exif_orientation,
    orientation,
)

_BAND = 2048
_TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LOSSY = (tifffile.COMPRESSION.OJPEG, tifffile.COMPRESSION.JPEG)
_HINT = "Save them as an index or palette picture."
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "I", "I;16", "I;16L", "I;16B"}


class PictureLabels(LabelSource):
    """An index or palette picture of the same size as its picture or slide is in the file.

    Parameters
    ----------
    path : Path
        PNG, TIFF (read tile by tile, if it is tiled) or whatever else Pillow reads, of one
        channel or of three equal ones.  One bit counts as 0 and 255.
    table : mapping of int to int
        The label of each value; other values are errors.
    """

    def __init__(self, path: Path, table: Mapping[int, int]) -> None:
        super().__init__(path)
        self.table = dict(table)

    def open(self, slide: Slide, plane: WorkingPlane) -> RasterLabels:
        """Place the picture on a working plane.

        Parameters
        ----------
        slide : Slide
            Open; the picture has the size of its level 0 in the file.
        plane : WorkingPlane
            Its working plane.

        Raises
        ------
        AnnotationError, DataSetError
            If the picture cannot be read, or has another size.
        """
        picture = _open_values(self.path)
        values = picture.values
        full = slide.facts.to_file_pixels(slide.levels[0].box)
        height, width = values.shape[:2]
        if (height, width) != (full.height, full.width):
            turned = (width, height) == (full.height, full.width)
            raise DataSetError(
                f"the labels have {width}×{height} pixels, {slide.path.name} has "
                f"{full.width}×{full.height}",
                self.path,
                "One of the two lies on its side: each is turned as its own Orientation tag says."
                if turned
                else "Labels are drawn at the full resolution of their picture.",
            )
        table, pixel = make_lookup_table(self.table), slide.facts.stretch
        labels = RasterLabels(values, table, plane, self.path, pixel=pixel)
        labels.notes = picture.notes
        return labels

    def check(self) -> None:
        """Check the values of all pixels.

        Raises
        ------
        AnnotationError
            If a value is not in the table.
        """
        values, table = _open_values(self.path).values, make_lookup_table(self.table)
        height, width = values.shape[:2]
        for top in range(0, height, _BAND):
            band = values[slice(top, min(top + _BAND, height)), slice(0, width)]
            look_up(one_channel(band, self.path), table, self.path)


@dataclass(frozen=True)
class _Picture:
    """An opened picture: its values upright, and notes about them."""

    values: PixelArray
    notes: tuple[str, ...] = ()


def read_values(path: Path) -> npt.NDArray[Any]:
    """Read a picture of integers, upright.

    Returns
    -------
    ndarray
        uint8 or uint16 ``(H, W)``.

    Raises
    ------
    AnnotationError
        If it cannot be read, or holds colours or fractions.
    """
    return one_channel(_open_values(path).values[slice(None), slice(None)], path)


def _open_values(path: Path) -> _Picture:
    """Open a picture of whatever kind; whoever reads labels does it here."""
    if not path.is_file():
        raise AnnotationError("there is no such file of labels", path)
    try:
        stored, turn, notes = _open_tiff(path) if _is_tiff(path) else _open_picture(path)
    except AnnotationError:
        raise
    except Image.DecompressionBombError as error:
        raise AnnotationError(
            "the labels are too large to be decoded whole", path, "Save them as a tiled TIFF."
        ) from error
    except Exception as error:
        # Damaged files make both readers stumble in any way there is.
        raise AnnotationError(f"the labels cannot be read: {error}", path) from error
    return _Picture(stored if turn == UPRIGHT else UprightValues(stored, turn), notes)


def _is_tiff(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in _TIFFS


_Stored = tuple[PixelArray, Orientation, tuple[str, ...]]


def _open_picture(path: Path) -> _Stored:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        # A damaged tag beside the pixels is no reason to refuse them.
        warnings.filterwarnings("ignore", "Corrupt EXIF", UserWarning)
        with Image.open(path) as picture:
            _refuse_unknown_mode(picture, path)
            turn = exif_orientation(picture.info.get("exif", b""))
            stored = np.asarray(picture.convert("L") if picture.mode == "1" else picture)
            notes = _doubts(path) if picture.format in ("JPEG", "MPO") else ()
    return stored, turn, notes


def _refuse_unknown_mode(picture: Image.Image, path: Path) -> None:
    # Pillow would drop the lower half of 16-bit colours without a word.
    deep = any("16" in str(arguments) for *_, arguments in getattr(picture, "tile", ()))
    if picture.mode not in _MODES or (deep and not picture.mode.startswith("I")):
        depth = " with 16 bits" if deep else ""
        raise AnnotationError(
            f"labels of mode {picture.mode}{depth} are not understood", path, _HINT
        )


def _open_tiff(path: Path) -> _Stored:
    with ExitStack() as stack:
        file = stack.enter_context(tifffile.TiffFile(path))
        first = file.series[0].levels[0]
        page = first.keyframe
        separate = page.planarconfig != tifffile.PLANARCONFIG.CONTIG and page.samplesperpixel > 1
        if len(first.pages) > 1 or page.imagedepth > 1:
            raise AnnotationError("the labels are a stack of images, not one picture", path, _HINT)
        tag = page.tags.get("Orientation")
        turn = orientation(tag and tag.value)
        notes = _doubts(path) if page.compression in _LOSSY else ()
        if separate or not page.is_tiled:
            values = as_displayed(page.asarray(), page)
            return np.moveaxis(values, 0, -1) if separate else values, turn, notes
        stack.pop_all()
        return TiledValues(path, file, page), turn, notes


def _doubts(path: Path) -> tuple[str, ...]:
    return (f"{path.name} is compressed as JPEG, which may have invented values along edges",)

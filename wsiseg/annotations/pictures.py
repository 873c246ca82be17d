"""Masks that are pictures: the value of a pixel, or its place in the palette, is its class."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageOps

from wsiseg.annotations.gridded import (
    GriddedLabels,
    Values,
    look_up,
    make_table,
    one_channel,
)
from wsiseg.annotations.labels import LabelSource
from wsiseg.annotations.tiled import TiledValues, as_seen
from wsiseg.errors import AnnotationError, DataSetError
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide

_BAND = 2048
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "I", "I;16", "I;16L", "I;16B"}


class PictureLabels(LabelSource):
    """An index or palette picture of the same size as its picture or slide is in the file.

    Parameters
    ----------
    path : Path
        PNG, TIFF (read tile by tile, if it is tiled) or whatever else Pillow reads, of one
        channel or of three equal ones.  One bit counts as 0 and 255.
    table : mapping of int to int
        The label that each value means; other values are errors.
    """

    def __init__(self, path: Path, table: Mapping[int, int]) -> None:
        super().__init__(path)
        self.table = dict(table)

    def open(self, slide: Slide, plane: WorkingPlane) -> GriddedLabels:
        """Lay the picture over a plane; see :class:`LabelSource`."""
        values = _open_values(self.path)
        full = slide.facts.in_file(slide.levels[0].box)
        height, width = values.shape[:2]
        if (height, width) != (full.height, full.width):
            raise DataSetError(
                f"the labels have {width}×{height} pixels, {slide.path.name} has "
                f"{full.width}×{full.height}",
                self.path,
                "Labels are drawn at the full resolution of their picture.",
            )
        table, pixel = make_table(self.table), slide.facts.stretch
        return GriddedLabels(values, table, plane, self.path, pixel=pixel)

    def check(self) -> None:
        """Look at every pixel.

        Raises
        ------
        AnnotationError
            If a value is not in the table.
        """
        values, table = _open_values(self.path), make_table(self.table)
        height, width = values.shape[:2]
        for top in range(0, height, _BAND):
            band = values[slice(top, min(top + _BAND, height)), slice(0, width)]
            look_up(one_channel(band, self.path), table, self.path)


def read_values(path: Path) -> npt.NDArray[Any]:
    """Read a picture of whole numbers.

    Returns
    -------
    ndarray
        uint8 or uint16 ``(H, W)``.

    Raises
    ------
    AnnotationError
        If it cannot be read, or holds colours or fractions.
    """
    return one_channel(_open_values(path)[slice(None), slice(None)], path)


def _open_values(path: Path) -> Values:
    if not path.is_file():
        raise AnnotationError("there is no such file of labels", path)
    try:
        return _open_tiff(path) if _is_tiff(path) else _open_picture(path)
    except AnnotationError:
        raise
    except Image.DecompressionBombError as error:
        raise AnnotationError(
            "the labels are too large to be decoded whole", path, "Save them as a tiled TIFF."
        ) from error
    except Exception as error:
        # Damaged files make both readers stumble in any way there is.
        raise AnnotationError(f"the labels cannot be read: {error}", path) from error


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff")


def _open_picture(path: Path) -> Values:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        # A damaged tag beside the pixels is no reason to refuse them.
        warnings.filterwarnings("ignore", "Corrupt EXIF", UserWarning)
        with Image.open(path) as picture:
            _refuse_unknown_mode(picture, path)
            # The picture that the labels belong to is turned upright when it is read, too.
            upright = ImageOps.exif_transpose(picture)
    return np.asarray(upright.convert("L") if upright.mode == "1" else upright)


def _refuse_unknown_mode(picture: Image.Image, path: Path) -> None:
    # Pillow would drop the lower half of 16-bit colours without a word.
    deep = any("16" in str(arguments) for *_, arguments in getattr(picture, "tile", ()))
    if picture.mode not in _MODES or (deep and not picture.mode.startswith("I")):
        depth = " with 16 bits" if deep else ""
        raise AnnotationError(
            f"labels of mode {picture.mode}{depth} are not understood",
            path,
            "Save them as an index or palette picture.",
        )


def _open_tiff(path: Path) -> Values:
    with ExitStack() as stack:
        file = stack.enter_context(tifffile.TiffFile(path))
        first = file.series[0].levels[0]
        page = first.keyframe
        if len(first.pages) > 1 or page.planarconfig != tifffile.PLANARCONFIG.CONTIG:
            raise AnnotationError(
                "the labels are a stack of images, not one picture",
                path,
                "Save them as an index or palette picture.",
            )
        if not page.is_tiled:
            return as_seen(page.asarray(), page)
        stack.pop_all()
        return TiledValues(path, file, page)

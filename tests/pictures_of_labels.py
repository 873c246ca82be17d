"""Pictures of labels, in a file or only as pixels."""

from pathlib import Path

import numpy as np
import tifffile

from array_slide import ArraySlide
from wsiseg.annotations.labels import Labels
from wsiseg.annotations.pictures import PictureLabels
from wsiseg.tiling.resolution import plane_at_level

EVERY = {value: value for value in range(256)}


def grid(height: int = 61, width: int = 83, top: int = 250) -> np.ndarray:
    return np.random.default_rng(2).integers(0, top, (height, width), np.uint8)


def read(path: Path, shape: tuple[int, int], table: dict[int, int] = EVERY) -> Labels:
    """Read the labels of a slide of this shape."""
    source = PictureLabels(path, table)
    source.check()
    slide = ArraySlide(np.zeros((*shape, 3), np.uint8))
    plane = plane_at_level(slide, 0)
    return source.open(slide, plane).read(plane.box)


def write_tiff(path: Path, values: np.ndarray, tag: int | None, **options: object) -> None:
    values = values.astype(options.pop("dtype", np.uint8))
    if options.pop("channels", False):
        values = np.stack([values] * 3, 0 if "planarconfig" in options else -1)
    extra = [] if tag is None else [(274, "H", 1, tag, True)]
    tifffile.imwrite(path, values, extratags=extra, **options)

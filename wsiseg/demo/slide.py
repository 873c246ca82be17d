"""Builds the demo slide from a tissue picture that scikit-image ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import skimage.data
import tifffile

from wsiseg.error_translation import translate_errors
from wsiseg.errors import OutputExistsError
from wsiseg.store.disk import translate_write_errors
from wsiseg.store.pyramid import halve_by_mean
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.slide import Pixels

HEIGHT, WIDTH = 10_000, 12_000
MPP = 0.5
TILE = 512

_MADE_BY = "wsiseg demo"
"""The Software tag, by which the file is recognised."""

_GLASS = (243, 242, 244)
_LEVELS = 4


def build_demo_slide(path: Path, height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Path:
    """Write a pyramidal JPEG slide: two pieces of tissue on glass.

    The tissue is scikit-image's immunohistochemistry picture, laid out in random quarter turns.

    Parameters
    ----------
    path : Path
        A ``.tiff`` file, written atomically; its folder has to exist.
    height, width : int
        Size in pixels.
    seed : int
        Seed of the random turns.

    Returns
    -------
    Path
        The file.
    """
    level = _paint(height, width, seed)
    unfinished = path.with_name(path.name + ".partial")
    with translate_write_errors(path), tifffile.TiffWriter(unfinished, bigtiff=True) as file:
        for k in range(_LEVELS):
            file.write(
                _tiles(level),
                shape=level.shape,
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 85, "outcolorspace": "ycbcr"},
                resolution=(1e4 / (MPP * 2**k),) * 2,
                resolutionunit="CENTIMETER",
                subfiletype=1 if k else 0,
                metadata=None,
                software=_MADE_BY,
            )
            even = level[: level.shape[0] // 2 * 2, : level.shape[1] // 2 * 2]
            level = halve_by_mean(even.transpose(2, 0, 1)).transpose(1, 2, 0)
    with translate_write_errors(path):
        return unfinished.replace(path)


def demo_slide_stands(path: Path) -> bool:
    """Tell whether the demo slide exists already.

    Raises
    ------
    OutputExistsError
        If another file has its name.
    """
    if not path.exists():
        return False
    other = OutputExistsError(
        "the file already exists and was not built by wsiseg demo",
        path,
        "Choose another `output`, or move it away.",
    )
    with translate_errors(lambda _: other), tifffile.TiffFile(path) as file:
        if file.pages.first.software != _MADE_BY:
            raise other
    return True


def _paint(height: int, width: int, seed: int) -> Pixels:
    picture: Pixels = skimage.data.immunohistochemistry()  # type: ignore[no-untyped-call]
    edge = picture.shape[0]
    random = np.random.default_rng(seed)
    plane = Box(0, 0, height, width)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, edge):
        for left in range(0, width, edge):
            turned = np.rot90(picture, int(random.integers(4)))
            if random.random() < 0.5:
                turned = turned[:, ::-1]
            place = Box(top, left, edge, edge).intersection(plane)
            part = pixels[place.slices_in(plane)]
            part[...] = turned[: place.height, : place.width]
            part[_is_glass(place, plane)] = _GLASS
    return pixels


def _is_glass(place: Box, plane: Box) -> npt.NDArray[np.bool_]:
    """Tell where neither of the two pieces lies: two ellipses side by side."""
    y = (np.arange(place.y, place.bottom)[:, None] + 0.5) / plane.height
    x = (np.arange(place.x, place.right)[None, :] + 0.5) / plane.width
    glass = np.ones(place.shape, bool)
    for centre, half in _PIECES:
        glass &= ((y - 0.5) / 0.45) ** 2 + ((x - centre) / half) ** 2 >= 1
    return glass


_PIECES = ((0.33, 0.28), (0.80, 0.16))


def _tiles(level: Pixels) -> Iterator[Pixels]:
    for top in range(0, level.shape[0], TILE):
        for left in range(0, level.shape[1], TILE):
            yield level[top : top + TILE, left : left + TILE]

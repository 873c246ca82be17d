"""Builds the demo slide: sections of real tissue on glass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from wsiseg.demo.sections import paint_sections
from wsiseg.error_translation import translate_errors
from wsiseg.errors import OutputExistsError
from wsiseg.store.disk import translate_write_errors
from wsiseg.store.pyramid import halve_by_mean
from wsiseg.tiling.slides.pixels import Pixels

HEIGHT, WIDTH = 10_000, 12_000
MPP = 0.5
TILE = 512

_MADE_BY = "wsiseg demo"
"""How the Software tag begins, by which the file is recognised."""

_CONTENT = f"{_MADE_BY} 2"
"""The Software tag.  Its number grows with every change of what is painted."""

_LEVELS = 4


def build_demo_slide(path: Path, height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Path:
    """Write a pyramidal JPEG slide: sections of skin, H&E, on glass.

    The tissue is the bundled picture's, of 0.499 µm per pixel, resampled to the slide's 0.5.

    Parameters
    ----------
    path : Path
        A ``.tiff`` file, written atomically; its folder has to exist.
    height, width : int
        Size in pixels.
    seed : int
        Seed of what is drawn by lot: another one gives another slide.

    Returns
    -------
    Path
        The file.
    """
    level = paint_sections(height, width, MPP, seed)
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
                software=_CONTENT,
            )
            even = level[: level.shape[0] // 2 * 2, : level.shape[1] // 2 * 2]
            level = halve_by_mean(even.transpose(2, 0, 1)).transpose(1, 2, 0)
    with translate_write_errors(path):
        return unfinished.replace(path)


def demo_slide_stands(path: Path) -> bool:
    """Tell whether the demo slide exists already; one that another version built does not count.

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
        software = file.pages.first.software
        if not software.startswith(_MADE_BY):
            raise other
    return software == _CONTENT


def _tiles(level: Pixels) -> Iterator[Pixels]:
    for top in range(0, level.shape[0], TILE):
        for left in range(0, level.shape[1], TILE):
            yield level[top : top + TILE, left : left + TILE]

"""Tiles of real tissue, for checks that want pixels as networks meet them."""

from __future__ import annotations

import numpy as np

from wsiseg.demo.sections import TISSUE
from wsiseg.errors import ArgumentError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides import open_slide
from wsiseg.tiling.slides.pixels import Pixels


def tissue_tiles(edge: int, count: int = 1) -> Pixels:
    """Return tiles from the middle of the packaged slide.

    Parameters
    ----------
    edge : int
        Their height and width in pixels of 0.5 µm.
    count : int
        How many, one below the other as far as the slide reaches, then again from its top.

    Returns
    -------
    ndarray
        uint8 ``(count, edge, edge, 3)``, RGB.

    Raises
    ------
    ArgumentError
        If the slide is smaller.
    """
    with open_slide(TISSUE) as slide:
        height, width = slide.levels[0].box.shape
        if edge > min(height, width):
            raise ArgumentError(
                f"tiles are at most {min(height, width)} pixels wide here", "`tile`"
            )
        left = (width - edge) // 2
        rows = [(height // 3 + number * edge) % (height - edge + 1) for number in range(count)]
        return np.stack([slide.read_region(0, Box(top, left, edge, edge)) for top in rows])

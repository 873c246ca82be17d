"""Turns labels upright that lie on their side in a file, by its Orientation tag."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.raster import PixelArray
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.orientation import Orientation


class UprightValues:
    """Values turned upright, as the readers of pictures turn pixels.

    Parameters
    ----------
    stored : PixelArray
        The values as stored; only slices of them are read.
    orientation : Orientation
        From the file's tag.
    """

    def __init__(self, stored: PixelArray, orientation: Orientation) -> None:
        self._stored = stored
        self._orientation = orientation
        height, width, *samples = stored.shape
        self.shape: tuple[int, ...] = (*orientation.shape((height, width)), *samples)

    def __getitem__(self, key: tuple[slice, slice]) -> npt.NDArray[Any]:
        """Return rows and columns, both slices of step 1."""
        frame = Box(0, 0, *self.shape[:2])
        (top, bottom, _), (left, right, _) = (
            cut.indices(length) for cut, length in zip(key, self.shape[:2], strict=True)
        )
        box = Box(top, left, max(0, bottom - top), max(0, right - left))
        stored = self._orientation.stored(box, frame)
        rows, columns = slice(stored.y, stored.bottom), slice(stored.x, stored.right)
        return self._orientation.turn(np.asarray(self._stored[rows, columns]))

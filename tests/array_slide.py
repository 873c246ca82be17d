"""A slide that lives in memory."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.pixel_size import PixelSize
from wsiseg.tiling.slides.pixels import WHITE, Colour, Pixels
from wsiseg.tiling.slides.slide import Slide, SlideFacts, make_levels


class ArraySlide(Slide):
    """Arrays as levels; reading what meets one of the `damaged` boxes of level 0 fails."""

    reader = "array"
    why = "it is an array"

    def __init__(
        self,
        *arrays: Pixels,
        mpp: float | None = 0.5,
        background: Colour = WHITE,
        damaged: Sequence[Box] = (),
    ) -> None:
        super().__init__(Path("array"))
        self.arrays = arrays
        self.damaged = damaged
        self.facts = SlideFacts(
            levels=make_levels([array.shape[:2] for array in arrays]),
            pixel_size=None if mpp is None else PixelSize(mpp, mpp, "array.mpp"),
            vendor="array",
            background=background,
        )

    def fingerprint(self) -> dict[str, object]:
        return {"sha256": hashlib.sha256(b"".join(map(bytes, self.arrays))).hexdigest()}

    def _read(self, level: int, box: Box) -> Pixels:
        factor = round(self.levels[level].downsample)
        full = Box(*(factor * v for v in (box.y, box.x, box.height, box.width)))
        if any(full.intersection(hole).area for hole in self.damaged):
            raise DamagedSlideError("these pixels are gone", self.path)
        return self.arrays[level][box.slices_in(self.levels[level].box)].copy()

    def close(self) -> None:
        """Nothing is held."""


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """Return pixels in which any shift or mix-up shows."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)

"""A small JPEG slide with something to see."""

from pathlib import Path

import numpy as np
import tifffile
from skimage.data import immunohistochemistry

from wsiseg.tiling.slides.pixels import Pixels


def tissue(height: int, width: int) -> Pixels:
    """Return a tissue picture, repeated as far as needed."""
    picture = np.asarray(immunohistochemistry())
    repeats = -(-height // picture.shape[0]), -(-width // picture.shape[1]), 1
    return np.tile(picture, repeats)[:height, :width]


def write_jpeg_slide(
    path: Path, height: int, width: int, *, tile: int = 64, stored: str = "ycbcr", mpp: float = 0.5
) -> Path:
    """Write one level of tissue as JPEG tiles, in YCbCr or, as Aperio may, in RGB."""
    tifffile.imwrite(
        path,
        tissue(height, width),
        tile=(tile, tile),
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": 92, "outcolorspace": stored},
        resolution=(1e4 / mpp, 1e4 / mpp),
        resolutionunit="CENTIMETER",
        metadata=None,
    )
    return path

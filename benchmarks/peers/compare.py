"""Prints the share of equal labels of two sides; a process of its own, for its memory.

    python compare.py MASK MASK

A mask is a store of wsiseg's, a TIFF of FAST's or an array of MONAI's side.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import tifffile
import zarr


def labels(path: str) -> npt.NDArray[np.uint8]:
    """Return level 0 of a mask."""
    if path.endswith(".zarr"):
        return np.asarray(zarr.open_array(f"{path}/0", mode="r"))
    if path.endswith(".tiff"):
        with tifffile.TiffFile(path) as file:
            return file.pages.first.asarray().squeeze()
    return np.load(path)


one, other = (labels(path) for path in sys.argv[1:3])
# FAST's pyramid ends with its last patch.
height, width = (min(sides) for sides in zip(one.shape, other.shape, strict=True))
print(float((one[:height, :width] == other[:height, :width]).mean()))

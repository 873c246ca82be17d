"""Where a mask of tissue has tissue."""

import numpy as np

from wsiseg.tiling.blocks import BlockGrid, Blocks
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.tissue import TissueMask

EDGE = 4


def has_tissue(mask: TissueMask, box: Box) -> bool:
    """Tell whether a block of four working pixels that meets a box has tissue."""
    grid = BlockGrid(mask.plane, EDGE)
    met = Blocks(grid, mask.blocks_in(grid)).met_by(
        np.array([box.y, box.bottom]), np.array([box.x, box.right])
    )
    return bool(met.any())

"""Blocks of tissue on a slide, as examples of what the network will see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.tissue import TissueMask


def blocks_of(area: Box, edge: int) -> list[Box]:
    """Return the squares of an area that stand side by side, row by row.

    Parameters
    ----------
    area : Box
        In working pixels.
    edge : int
        Height and width of a square; what is left over at the right and below is left out.
    """
    return [
        Box(top, left, edge, edge)
        for top in range(area.y, area.bottom - edge + 1, edge)
        for left in range(area.x, area.right - edge + 1, edge)
    ]


def tissue_share(tissue: TissueMask, box: Box) -> float:
    """Return the share of a box that is tissue.

    Parameters
    ----------
    tissue : TissueMask
        Over the whole plane.
    box : Box
        In working pixels.
    """
    slices = []
    for (begin, end), mask, plane in zip(
        ((box.y, box.bottom), (box.x, box.right)), tissue.mask.shape, tissue.plane, strict=True
    ):
        first = min(mask - 1, max(0, int(begin * mask / plane)))
        slices.append(slice(first, max(first + 1, int(np.ceil(end * mask / plane)))))
    return float(tissue.mask[tuple(slices)].mean())


def spread(blocks: Sequence[Box], count: int) -> list[Box]:
    """Return some of the blocks, evenly spread over their order.

    Parameters
    ----------
    blocks : sequence of Box
        In any order.
    count : int
        How many at most.
    """
    if len(blocks) <= count:
        return list(blocks)
    return [blocks[round(place)] for place in np.linspace(0, len(blocks) - 1, count)]

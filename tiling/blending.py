"""Weights by which overlapping tiles are blended."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Blend = Literal["crop", "gaussian", "cosine"]
Weights = npt.NDArray[np.uint32]

UNIT = 65535
"""The weight of a tile's centre.

Weights are whole numbers, so that sums of weighted bytes are exact and the order in which tiles
arrive cannot change a mask.
"""

MOST_OVERLAPPING = 256
"""So many tiles may lie over a pixel; from 258 on, sums of weighted bytes could pass 32 bits."""

_SIGMA = 1 / 8


def tile_weights(blend: Blend, shape: tuple[int, int]) -> Weights:
    """Return the weight of every pixel of a tile.

    Parameters
    ----------
    blend : {"gaussian", "cosine"}
        A Gaussian with a standard deviation of an eighth of the edge, or a raised cosine.
    shape : tuple of int
        ``(height, width)`` of a tile.

    Returns
    -------
    ndarray
        uint32, from 1 at the corners to about :data:`UNIT` in the centre.
    """
    y, x = (_profile(blend, edge) for edge in shape)
    return np.maximum(1, np.rint(UNIT * np.outer(y, x))).astype(np.uint32)


def _profile(blend: Blend, edge: int) -> npt.NDArray[np.float64]:
    place = (np.arange(edge) + 0.5) / edge - 0.5
    if blend == "gaussian":
        return np.exp(-0.5 * (place / _SIGMA) ** 2)
    return np.cos(np.pi * place) ** 2

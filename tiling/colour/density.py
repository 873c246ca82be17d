"""Optical density: the negative logarithm of transmitted light, additive over stains."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.tiling.slides.pixels import Pixels

Floats = npt.NDArray[np.float32]
Triple = tuple[float, float, float]

_TABLE = -np.log(np.maximum(np.arange(256), 1) / 255).astype(np.float32)
"""One logarithm per value of a channel, not per pixel; black counts as the darkest grey."""


def density(colours: Pixels) -> Floats:
    """Return the optical density of every channel, float32, natural logarithm, 0 for full light."""
    return np.asarray(_TABLE[colours])


def rgb_from_density(densities: Floats) -> Pixels:
    """Return uint8 colours for optical densities; the inverse of :func:`density`."""
    shown: Pixels = np.rint(255 * np.exp(-np.maximum(densities, 0))).astype(np.uint8)
    return shown


def triple(row: npt.NDArray[np.floating[Any]]) -> Triple:
    """Return three numbers as Python floats of six digits, equal on every machine."""
    first, second, third = (round(float(value), 6) for value in row)
    return first, second, third

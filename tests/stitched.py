"""Tiles of random probabilities, stitched to bands."""

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from wsiseg.tiling.bands import Band, Prediction
from wsiseg.tiling.blending import Blend
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile, TileGrid
from wsiseg.tiling.stitching import make_stitcher

Bytes = npt.NDArray[np.uint8]
blends = st.sampled_from(["crop", "gaussian", "cosine"])
soft_blends = st.sampled_from(["gaussian", "cosine"])
seeds = st.integers(0, 2**32 - 1)
band_heights = st.sampled_from([1, 5, 16, 64, 500])


def whole(grid: TileGrid) -> Box:
    return Box(0, 0, *grid.plane)


def padded_shape(grid: TileGrid) -> tuple[int, int]:
    return grid.rows[-1] + grid.tile[0], grid.columns[-1] + grid.tile[1]


def random_probabilities(grid: TileGrid, classes: int, seed: int) -> dict[int, Prediction]:
    random = np.random.default_rng(seed)
    shape = (classes, *grid.tile)
    return {
        t.index: Prediction(
            random.integers(0, classes, grid.tile, np.uint8),
            random.integers(1, 256, shape, np.uint8),
        )
        for t in grid
    }


def touching(blend: Blend, window: Box, tiles: list[Tile]) -> list[Tile]:
    return [t for t in tiles if (t.core if blend == "crop" else t.box).intersection(window).area]


def stitched(
    blend: Blend,
    window: Box,
    tiles: list[Tile],
    predictions: dict[int, Prediction],
    band_height: int = 16,
    *,
    classes: int = 3,
    keep: bool = False,
) -> list[Band]:
    """Stitch tiles in the order given; a tile without a prediction could not be read."""
    stitcher = make_stitcher(blend, window, tiles, band_height, classes, keep_probabilities=keep)
    bands = list(stitcher.finished())
    for tile in tiles:
        bands += stitcher.add(tile, predictions.get(tile.index))
    return bands


def labels_of(bands: list[Band]) -> Bytes:
    return np.concatenate([band.labels for band in bands])


def probabilities_of(bands: list[Band]) -> Bytes:
    kept = [band.probabilities for band in bands if band.probabilities is not None]
    assert len(kept) == len(bands)
    return np.concatenate(kept, axis=1)

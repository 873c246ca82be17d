"""Rows leave the stitcher once they are finished, and take no memory before their first tile."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitched import (
    band_heights,
    blends,
    labels_of,
    probabilities_of,
    random_probabilities,
    seeds,
    stitched,
    touching,
    whole,
)
from strategies import grids
from wsiseg.tiling.bands import NO_LABEL, Band, Prediction
from wsiseg.tiling.blending import Blend
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile, TileGrid
from wsiseg.tiling.stitching import make_stitcher


@given(blends, grids(90), band_heights, st.data())
def test_bands_leave_in_order_and_cover_the_window_once(
    blend: Blend, grid: TileGrid, band_height: int, data: st.DataObject
) -> None:
    tiles = list(grid)
    order = data.draw(st.permutations(tiles)) if len(tiles) < 30 else tiles[::-1]
    bands = stitched(blend, whole(grid), order, random_probabilities(grid, 2, 0), band_height)
    expected = 0
    for band in bands:
        assert (band.box.y, band.box.x, band.box.width) == (expected, 0, grid.plane[1])
        assert band.box.y % band_height == 0
        assert band.box.height == min(band_height, grid.plane[0] - band.box.y)
        assert band.labels.shape == band.box.shape
        assert band.probabilities is None
        expected = band.box.bottom
    assert expected == grid.plane[0]


@given(blends, grids(60))
def test_without_tiles_everything_is_unseen_at_once(blend: Blend, grid: TileGrid) -> None:
    bands = stitched(blend, whole(grid), [], {}, keep=True)
    assert sum(band.box.area for band in bands) == whole(grid).area
    assert (labels_of(bands) == NO_LABEL).all()
    assert not probabilities_of(bands).any()


@given(blends, grids(120), band_heights)
def test_rows_leave_as_soon_as_no_later_tile_can_touch_them(
    blend: Blend, grid: TileGrid, band_height: int
) -> None:
    tiles, predictions = list(grid), random_probabilities(grid, 1, 0)
    stitcher = make_stitcher(blend, whole(grid), tiles, band_height, 1)
    done = 0
    for tile, following in itertools.zip_longest(tiles, tiles[1:]):
        for band in stitcher.add(tile, predictions[tile.index]):
            done = band.box.bottom
        if following is None:
            assert done == grid.plane[0]
        else:
            still_open = following.core.y if blend == "crop" else following.box.y
            assert done == still_open // band_height * band_height


def test_bands_keep_their_pixels_when_later_tiles_arrive() -> None:
    grid = TileGrid.fitting((90, 40), 32, 4, 4, shrink=False)
    predictions = random_probabilities(grid, 2, 3)
    for blend in ("crop", "gaussian"):
        stitcher = make_stitcher(blend, whole(grid), list(grid), 8, 2, keep_probabilities=True)
        taken = []
        for tile in grid:
            for band in stitcher.add(tile, predictions[tile.index]):
                assert band.probabilities is not None
                taken.append((band, band.labels.copy(), band.probabilities.copy()))
        for band, labels, probabilities in taken:
            np.testing.assert_array_equal(band.labels, labels)
            np.testing.assert_array_equal(band.probabilities, probabilities)


@pytest.mark.parametrize("blend", ["crop", "gaussian"])
def test_memory_does_not_grow_with_the_height(blend: Blend) -> None:
    def peak(height: int) -> int:
        grid = TileGrid((height, 256), (64, 64), 16, 16)
        prediction = Prediction(np.zeros(grid.tile, np.uint8), np.zeros((4, *grid.tile), np.uint8))
        tiles = list(grid)
        tracemalloc.start()
        stitcher = make_stitcher(blend, whole(grid), tiles, 64, 4, keep_probabilities=True)
        for tile in tiles:
            for _ in stitcher.add(tile, prediction):
                pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    # What is made once and kept, as weights are, shows in the first of all only.
    peak(8192)
    # The table of rows that are open grows by a few bytes per tile; the plane by 256 kB and more.
    assert peak(8192) < peak(1024) + 64 * 1024


def peak_of(blend: Blend, window: Box, tiles: list[Tile], *, keep: bool) -> int:
    """Return the most bytes that stitching takes while each band is let go of at once."""
    shape = tiles[0].box.shape
    prediction = Prediction(np.ones(shape, np.uint8), np.ones((4, *shape), np.uint8))
    tracemalloc.start()
    stitcher = make_stitcher(blend, window, tiles, 64, 4, keep_probabilities=keep)
    rows = 0
    for tile in tiles:
        for band in stitcher.add(tile, prediction):
            rows += band.box.height
    rows += sum(band.box.height for band in stitcher.finished())
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == window.height
    return highest


@pytest.mark.parametrize(
    ("blend", "keep"), [("crop", False), ("crop", True), ("gaussian", False), ("cosine", True)]
)
@pytest.mark.parametrize("shuffled", [False, True])
def test_rows_without_tissue_take_no_memory(blend: Blend, keep: bool, shuffled: bool) -> None:
    """Above the first tile, between two of them and below the last, in every stripe."""
    grid = TileGrid((65536, 256), (64, 64), 16, 16)
    dense = [tile for tile in grid if tile.core.y < 2048]
    rows = sorted({tile.core.y for tile in grid})
    shown = {*rows[1000:1004], *rows[1500:1503]}
    sparse = [tile for tile in grid if tile.core.y in shown]
    if shuffled:
        # As tiles of one row may be; the rows themselves come in order.
        sparse.sort(key=lambda tile: (tile.core.y, -tile.core.x))
    for window in (whole(grid), Box(0, 0, 65536, 128), Box(0, 128, 65536, 128)):
        near = touching(blend, window, sparse)
        short = Box(0, window.x, 2048, window.width)
        least = peak_of(blend, short, touching(blend, short, dense), keep=keep)
        # Bands without tissue are but a few words each; that many rows of pixels are megabytes.
        assert peak_of(blend, window, near, keep=keep) < least + 512 * 1024


@given(blends, grids(90), band_heights, seeds, st.data())
def test_rows_above_the_first_tile_leave_before_it_and_are_those_of_the_whole(
    blend: Blend, grid: TileGrid, band_height: int, seed: int, data: st.DataObject
) -> None:
    shown = data.draw(st.sets(st.integers(0, len(grid) - 1)))
    predictions = random_probabilities(grid, 2, seed)
    read = {index: predictions[index] for index in shown}
    tiles = [grid[index] for index in sorted(shown)]
    stitcher = make_stitcher(blend, whole(grid), tiles, band_height, 2, keep_probabilities=True)
    bands: list[Band] = []
    for tile in tiles:
        bands += stitcher.add(tile, read[tile.index])
    bands += stitcher.finished()
    drained = stitched(blend, whole(grid), tiles, read, band_height, classes=2, keep=True)
    assert [band.box for band in bands] == [band.box for band in drained]
    np.testing.assert_array_equal(labels_of(bands), labels_of(drained))
    np.testing.assert_array_equal(probabilities_of(bands), probabilities_of(drained))
    for band in bands:
        assert band.touched or (band.labels == NO_LABEL).all()

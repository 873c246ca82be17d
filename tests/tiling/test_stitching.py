import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from stitched import (
    Bytes,
    band_heights,
    blends,
    labels_of,
    padded_shape,
    probabilities_of,
    random_probabilities,
    seeds,
    soft_blends,
    stitched,
    touching,
    whole,
)
from strategies import grids
from wsiseg.errors import ArgumentError
from wsiseg.tiling.bands import NO_LABEL, Prediction
from wsiseg.tiling.blending import Blend, tile_weights
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import TileGrid
from wsiseg.tiling.stitching import make_stitcher


class Network:
    """Labels from all that the halo lets it see, outside which it takes the picture to be zero.

    It adds a weighted sum over a square of pixels that reaches exactly as far as the halo and one
    over blocks of `multiple` pixels, as a network with strides has it.  It is not symmetric.
    """

    def __init__(self, grid: TileGrid, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.multiple = grid.multiple
        self.kernels = random.integers(1, 7, (2, 2 * grid.halo + 1))
        # A block filter of k blocks to each side sees up to (k + 1) * multiple - 1 pixels away.
        blocks = grid.halo // grid.multiple - 1
        self.block_kernels = random.integers(1, 7, (2, 2 * blocks + 1)) if blocks >= 0 else None

    def __call__(self, picture: Bytes) -> Bytes:
        sums = self._filtered(picture.astype(np.int64), self.kernels)
        if self.block_kernels is not None:
            m = self.multiple
            height, width = picture.shape
            blocks = picture.reshape(height // m, m, width // m, m).sum(axis=(1, 3), dtype=np.int64)
            blocks = self._filtered(blocks, self.block_kernels)
            sums += 3 * blocks.repeat(m, axis=0).repeat(m, axis=1)
        return (sums % 251).astype(np.uint8)

    @staticmethod
    def _filtered(
        picture: npt.NDArray[np.int64], kernels: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        for axis, kernel in enumerate(kernels):
            picture = ndimage.correlate1d(picture, kernel, axis=axis, mode="constant")
        return picture


def random_picture(grid: TileGrid, seed: int) -> Bytes:
    """Return the plane with white glass where the last tiles reach over its edge."""
    picture = np.full(padded_shape(grid), 255, np.uint8)
    picture[: grid.plane[0], : grid.plane[1]] = np.random.default_rng(seed).integers(
        0, 256, grid.plane
    )
    return picture


def random_labels(grid: TileGrid, seed: int) -> dict[int, Prediction]:
    random = np.random.default_rng(seed)
    return {t.index: Prediction(random.integers(0, 255, grid.tile, np.uint8)) for t in grid}


@given(grids(), seeds, band_heights)
@settings(max_examples=250)
def test_cropped_tiles_give_what_the_whole_plane_gives(
    grid: TileGrid, seed: int, band_height: int
) -> None:
    picture, network = random_picture(grid, seed), Network(grid, seed)
    predictions = {
        t.index: Prediction(network(picture[t.box.slices_in(Box(0, 0, *picture.shape))]))
        for t in grid
    }
    bands = stitched("crop", whole(grid), list(grid), predictions, band_height)
    height, width = grid.plane
    np.testing.assert_array_equal(labels_of(bands), network(picture)[:height, :width])


@pytest.mark.parametrize("plane", [(1, 301), (301, 1), (37, 53), (129, 257), (300, 211)])
def test_a_median_filter_shows_no_seams(plane: tuple[int, int]) -> None:
    grid = TileGrid.fitting(plane, 64, 8, 8, shrink=True)
    picture = random_picture(grid, 7)

    def network(pixels: Bytes) -> Bytes:
        return ndimage.median_filter(pixels, size=2 * grid.halo + 1, mode="constant") // 2

    predictions = {
        t.index: Prediction(network(picture[t.box.slices_in(Box(0, 0, *picture.shape))]))
        for t in grid
    }
    bands = stitched("crop", whole(grid), list(grid), predictions)
    expected = network(picture)[: plane[0], : plane[1]]
    np.testing.assert_array_equal(labels_of(bands), expected)


def test_a_network_that_sees_further_than_the_halo_shows_seams() -> None:
    # So that the tests above can fail.
    grid = TileGrid.fitting((100, 100), 48, 8, 8, shrink=False)
    picture = random_picture(grid, 7)
    network = Network(TileGrid(grid.plane, grid.tile, 16, 8), 7)
    predictions = {
        t.index: Prediction(network(picture[t.box.slices_in(Box(0, 0, *picture.shape))]))
        for t in grid
    }
    labels = labels_of(stitched("crop", whole(grid), list(grid), predictions))
    assert (labels != network(picture)[:100, :100]).any()


@given(blends, grids(90), seeds, band_heights, st.randoms(use_true_random=False))
def test_the_order_of_tiles_changes_nothing(
    blend: Blend, grid: TileGrid, seed: int, band_height: int, random: object
) -> None:
    tiles, predictions = list(grid), random_probabilities(grid, 3, seed)
    shuffled = sorted(tiles, key=lambda _: random.random())  # type: ignore[attr-defined]
    bands = stitched(blend, whole(grid), tiles, predictions, band_height, keep=True)
    others = stitched(blend, whole(grid), shuffled, predictions, band_height, keep=True)
    assert [band.box for band in bands] == [band.box for band in others]
    np.testing.assert_array_equal(labels_of(bands), labels_of(others))
    np.testing.assert_array_equal(probabilities_of(bands), probabilities_of(others))


@given(blends, grids(90), seeds, band_heights, st.data())
def test_windows_give_the_pixels_of_the_whole(
    blend: Blend, grid: TileGrid, seed: int, band_height: int, data: st.DataObject
) -> None:
    """Columns may be cut anywhere, rows at the beginning of a band."""
    height, width = grid.plane
    tiles, predictions = list(grid), random_probabilities(grid, 3, seed)
    columns = data.draw(st.sets(st.integers(1, width), max_size=3)) | {0, width}
    starts = range(0, height, band_height)
    rows = data.draw(st.sets(st.sampled_from(starts), max_size=2)) | {0, height}
    bands = stitched(blend, whole(grid), tiles, predictions, band_height, keep=True)
    labels, probabilities = labels_of(bands), probabilities_of(bands)
    for (top, bottom), (left, right) in itertools.product(
        itertools.pairwise(sorted(rows)), itertools.pairwise(sorted(columns))
    ):
        window = Box(top, left, bottom - top, right - left)
        near = touching(blend, window, tiles)
        part = stitched(blend, window, near, predictions, band_height, keep=True)
        assert {(band.box.x, band.box.width) for band in part} == {(left, right - left)}
        cut = window.slices_in(whole(grid))
        np.testing.assert_array_equal(labels_of(part), labels[cut])
        np.testing.assert_array_equal(probabilities_of(part), probabilities[:, *cut])


@given(grids(90), seeds, st.data())
def test_cores_of_tiles_left_out_stay_unseen(
    grid: TileGrid, seed: int, data: st.DataObject
) -> None:
    """Whether they were never announced or could not be read."""
    absent = data.draw(st.sets(st.integers(0, len(grid) - 1)))
    unread = data.draw(st.sets(st.integers(0, len(grid) - 1)))
    predictions = random_probabilities(grid, 3, seed)
    expected = labels_of(stitched("crop", whole(grid), list(grid), predictions))
    for index in absent | unread:
        expected[grid[index].core.slices_in(whole(grid))] = NO_LABEL
    tiles = [tile for tile in grid if tile.index not in absent]
    read = {index: p for index, p in predictions.items() if index not in unread}
    bands = stitched("crop", whole(grid), tiles, read, keep=True)
    np.testing.assert_array_equal(labels_of(bands), expected)
    assert not probabilities_of(bands)[:, expected == NO_LABEL].any()


@given(soft_blends, grids(60, smallest_halo=4), seeds, st.integers(1, 4), st.data())
def test_blending_is_the_weighted_mean_where_all_tiles_that_cover_a_pixel_were_read(
    blend: Blend, grid: TileGrid, seed: int, classes: int, data: st.DataObject
) -> None:
    predictions = random_probabilities(grid, classes, seed)
    shape = padded_shape(grid)
    lost = np.zeros(shape, bool)
    for index in data.draw(st.sets(st.integers(0, len(grid) - 1), max_size=2)):
        del predictions[index]
        lost[grid[index].box.slices_in(Box(0, 0, *shape))] = True
    bands = stitched(blend, whole(grid), list(grid), predictions, classes=classes, keep=True)

    sums, shares = np.zeros((classes, *shape)), np.zeros(shape)
    weights = tile_weights(blend, grid.tile).astype(np.float64)
    for index, prediction in predictions.items():
        assert prediction.probabilities is not None
        cut = grid[index].box.slices_in(Box(0, 0, *shape))
        sums[:, *cut] += weights * prediction.probabilities
        shares[cut] += weights
    sums[:, lost] = 0
    sums, shares = (
        sums[:, : grid.plane[0], : grid.plane[1]],
        shares[: grid.plane[0], : grid.plane[1]],
    )
    seen = shares > 0
    # A pixel for which no class has anything is one whose network gave no numbers.
    seen &= sums.any(axis=0)
    # The sums are whole numbers that a float64 holds exactly, so ties fall alike.
    expected = np.where(seen, sums.argmax(axis=0), NO_LABEL)
    np.testing.assert_array_equal(labels_of(bands), expected)
    means = np.divide(sums, shares, where=shares > 0, out=np.zeros_like(sums))
    assert np.abs(probabilities_of(bands) - means).max() <= 0.5


@given(soft_blends, grids(90), st.lists(st.integers(0, 255), min_size=1, max_size=4))
def test_blending_leaves_constant_probabilities_as_they_are(
    blend: Blend, grid: TileGrid, values: list[int]
) -> None:
    constant = np.empty((len(values), *grid.tile), np.uint8)
    constant[:] = np.reshape(values, (-1, 1, 1))
    predictions = {tile.index: Prediction(None, constant) for tile in grid}
    bands = stitched(blend, whole(grid), list(grid), predictions, classes=len(values), keep=True)
    expected = int(np.argmax(values)) if any(values) else NO_LABEL
    assert (labels_of(bands) == expected).all()
    assert (probabilities_of(bands) == np.reshape(values, (-1, 1, 1))).all()


@given(soft_blends, grids(90), st.data())
def test_blending_leaves_unseen_only_what_no_tile_covers(
    blend: Blend, grid: TileGrid, data: st.DataObject
) -> None:
    shown = data.draw(st.sets(st.integers(0, len(grid) - 1)))
    predictions = random_probabilities(grid, 2, 0)
    covered = np.zeros(padded_shape(grid), bool)
    for index in shown:
        covered[grid[index].box.slices_in(Box(0, 0, *covered.shape))] = True
    tiles = [grid[index] for index in sorted(shown)]
    labels = labels_of(stitched(blend, whole(grid), tiles, predictions, classes=2))
    np.testing.assert_array_equal(labels != NO_LABEL, covered[: grid.plane[0], : grid.plane[1]])


@pytest.mark.parametrize("blend", ["gaussian", "cosine"])
def test_blending_is_right_or_refused_where_very_many_tiles_overlap(blend: Blend) -> None:
    """Sums of weights must not overflow unnoticed."""
    grid = TileGrid((200, 200), (128, 128), 63, 1)
    sure = np.zeros((2, *grid.tile), np.uint8)
    sure[1] = 255
    try:
        bands = stitched(
            blend,
            whole(grid),
            list(grid),
            {t.index: Prediction(None, sure) for t in grid},
            keep=True,
        )
    except ArgumentError:
        return
    assert (labels_of(bands) == 1).all()
    assert (probabilities_of(bands)[1] == 255).all()


@given(blends, grids(60), seeds)
def test_pixels_without_numbers_in_any_tile_are_unseen_and_counted_once(
    blend: Blend, grid: TileGrid, seed: int
) -> None:
    random = np.random.default_rng(seed)
    predictions = random_probabilities(grid, 3, seed)
    lost = np.zeros(padded_shape(grid), bool)
    for tile in grid:
        blank = random.random(grid.tile) < 0.1
        prediction = predictions[tile.index]
        assert prediction.labels is not None
        assert prediction.probabilities is not None
        prediction.labels[blank] = NO_LABEL
        prediction.probabilities[:, blank] = 0
        reach = tile.core if blend == "crop" else tile.box
        place = reach.slices_in(Box(0, 0, *lost.shape))
        lost[place] |= blank[reach.slices_in(tile.box)]
    lost = lost[: grid.plane[0], : grid.plane[1]]
    stitcher = make_stitcher(blend, whole(grid), list(grid), 16, 3, keep_probabilities=True)
    bands = [band for tile in grid for band in stitcher.add(tile, predictions[tile.index])]
    np.testing.assert_array_equal(labels_of(bands) == NO_LABEL, lost)
    np.testing.assert_array_equal(~probabilities_of(bands).any(axis=0), lost)
    assert stitcher.without_numbers == lost.sum()


def test_the_most_likely_class_of_a_pixel_without_probabilities_is_none() -> None:
    probabilities = np.array([[[0, 9, 1]], [[0, 3, 7]]], np.uint8)
    assert Prediction(None, probabilities).most_likely().tolist() == [[NO_LABEL, 0, 1]]
    labels = np.array([[4, NO_LABEL]], np.uint8)
    np.testing.assert_array_equal(Prediction(labels).most_likely(), labels)


@given(grids(40))
@settings(max_examples=20)
def test_labels_of_many_classes_survive(grid: TileGrid) -> None:
    """The largest class index is 254; 255 is kept for what is unseen."""
    constant = np.zeros((255, *grid.tile), np.uint8)
    constant[254] = 1
    predictions = {tile.index: Prediction(None, constant) for tile in grid}
    labels = labels_of(stitched("gaussian", whole(grid), list(grid), predictions, classes=255))
    assert (labels == 254).all()

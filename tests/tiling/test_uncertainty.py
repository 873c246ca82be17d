"""Uncertainty is what its definition says, within what rounded probabilities can tell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncertain import allowed, defined
from wsiseg.tiling.bands import NO_LABEL, Band, Prediction
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import TileGrid
from wsiseg.tiling.stitching import make_stitcher
from wsiseg.tiling.uncertainty import measure_uncertainty

MEASURES = ["entropy", "margin"]


def softmax(classes, size, seed, sharpness):
    logits = sharpness * np.random.default_rng(seed).normal(size=(classes, size))
    raised = np.exp(logits - logits.max(0))
    return raised / raised.sum(0)


@pytest.mark.parametrize("measure", MEASURES)
@given(st.integers(2, 40), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1, 3, 10]))
def test_it_is_that_of_the_softmax_as_far_as_bytes_can_tell(measure, classes, seed, sharpness):
    shares = softmax(classes, 200, seed, sharpness)
    planes = np.rint(255 * shares).astype(np.uint8)[:, None]
    found = measure_uncertainty(measure, planes)[0] / 255
    assert np.abs(found - defined(measure, shares)).max() <= allowed(measure, classes) + 0.51 / 255


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("classes", [2, 3, 8, 255])
def test_of_the_same_bytes_it_is_exact(measure, classes):
    planes = np.random.default_rng(0).integers(0, 256 // classes + 1, (classes, 9, 50), np.uint8)
    planes[-1] = np.maximum(255 - planes[:-1].sum(0, dtype=int), 1)
    whole = planes.sum(0) if measure == "entropy" else 255
    found = measure_uncertainty(measure, planes)
    assert np.abs(found - 255 * defined(measure, planes / whole)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("classes", [2, 3, 7, 200])
def test_its_bounds_are_certainty_and_no_idea(measure, classes):
    planes = np.zeros((classes, 1, 3), np.uint8)
    planes[1, 0, 0] = 255
    planes[:, 0, 1] = round(255 / classes)
    # The third pixel was not analysed.
    assert measure_uncertainty(measure, planes).tolist() == [[0, 255, 0]]


@pytest.mark.parametrize("measure", MEASURES)
def test_of_one_class_there_is_no_doubt(measure):
    assert measure_uncertainty(measure, np.full((1, 2, 2), 255, np.uint8)).max() == 0


def predictions(grid, classes, seed=0):
    found = {}
    for tile in grid:
        shares = softmax(classes, tile.box.area, seed + tile.index, 2)
        planes = np.rint(255 * shares).astype(np.uint8).reshape(classes, *tile.box.shape)
        found[tile.index] = Prediction(planes.argmax(0).astype(np.uint8), planes)
    return found


def stitched(blend, grid, found, measure, order=1, *, keep=True):
    plane = Box(0, 0, *grid.plane)
    stitcher = make_stitcher(
        blend, plane, list(grid), 16, 3, keep_probabilities=keep, uncertainty=measure
    )
    bands = [band for tile in list(grid)[::order] for band in stitcher.add(tile, found[tile.index])]
    return [*bands, *stitcher.finished()]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("blend", ["crop", "gaussian", "cosine"])
def test_it_is_that_of_the_merged_probabilities(blend, measure):
    grid = TileGrid((70, 45), (32, 24), 4, 4)
    found = predictions(grid, 3)
    bands = stitched(blend, grid, found, measure)
    for one, other in zip(bands, stitched(blend, grid, found, measure, -1), strict=True):
        np.testing.assert_array_equal(one.uncertainty, other.uncertainty)
    for one, other in zip(bands, stitched(blend, grid, found, measure, keep=False), strict=True):
        np.testing.assert_array_equal(one.uncertainty, other.uncertainty)
        assert other.probabilities is None
    uncertainty = np.concatenate([band.uncertainty for band in bands])
    probabilities = np.concatenate([band.probabilities for band in bands], axis=1)
    assert uncertainty.shape == (70, 45)
    if blend == "crop":
        np.testing.assert_array_equal(uncertainty, measure_uncertainty(measure, probabilities))
    shares = probabilities / (probabilities.sum(0) if measure == "entropy" else 255)
    worst = np.abs(uncertainty / 255 - defined(measure, shares)).max()
    assert worst <= allowed(measure, 3) + 0.51 / 255


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("blend", ["crop", "gaussian"])
def test_where_there_is_no_label_there_is_no_uncertainty(blend, measure):
    grid = TileGrid((64, 32), (32, 32), 4, 4)
    found = predictions(grid, 3)
    found[0].probabilities[:, 5:9, 5:9] = 0
    found[0].labels[5:9, 5:9] = NO_LABEL
    found[1] = None
    bands = stitched(blend, grid, found, measure)
    labels = np.concatenate([band.labels for band in bands])
    uncertainty = np.concatenate([band.uncertainty for band in bands])
    assert (labels == NO_LABEL).any()
    assert not uncertainty[labels == NO_LABEL].any()
    assert uncertainty[labels != NO_LABEL].any()


def test_rows_that_no_tile_reached_take_no_memory():
    band = Band.empty(Box(0, 0, 1024, 10_000), 3, uncertainty=True)
    assert set(band.companions) == {"probabilities", "uncertainty"}
    assert all(planes.strides[-1] == 0 for planes in band.companions.values())
    assert not Band.empty(Box(0, 0, 9, 9), None).companions

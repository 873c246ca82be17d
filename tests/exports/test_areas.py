"""Areas of classes, in a mask and in a region of it."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from wsiseg.classes import LabelClass
from wsiseg.errors import AnnotationError
from wsiseg.exports.areas import measure_areas
from wsiseg.store.label_images import open_label_image
from wsiseg.store.masks import MaskStore
from wsiseg.store.metadata import Placement
from wsiseg.tiling.bands import Band
from wsiseg.tiling.boxes import Box

CLASSES = {0: LabelClass("ground", (0, 0, 0)), 1: LabelClass("gland", (9, 9, 9))}


def as_dict(rows):
    return {row.name: row.pixels for row in rows}


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_every_pixel_counts_once(labels):
    rows = measure_areas(labels, CLASSES)
    assert sum(row.pixels for row in rows) == labels.size
    for row in rows:
        assert row.pixels == (labels == row.value).sum()
    shares = [row.share for row in rows if row.share is not None]
    assert not shares or sum(shares) == pytest.approx(1)


def test_areas_are_in_square_millimetres_and_shares_of_what_was_analysed():
    labels = np.full((100, 200), 255, np.uint8)
    labels[:50, :100] = 1
    ground, gland, unseen = measure_areas(labels, CLASSES, mpp=2.0)
    assert (ground.pixels, ground.mm2, ground.share) == (0, 0.0, 0.0)
    assert (gland.pixels, gland.mm2, gland.share) == (5000, pytest.approx(0.02), 1.0)
    assert (unseen.name, unseen.pixels, unseen.share) == ("not analysed", 15000, None)


def test_without_a_resolution_there_are_pixels_only():
    assert measure_areas(np.zeros((4, 4), np.uint8), CLASSES)[0].mm2 is None


def test_nothing_analysed_has_no_shares():
    rows = measure_areas(np.full((4, 4), 255, np.uint8), CLASSES)
    assert [row.share for row in rows] == [None, None, None]


def test_a_region_counts_the_centres_inside_wherever_the_mask_lies():
    labels = np.zeros((3000, 2500), np.uint8)
    labels[:, 1250:] = 1
    # Working pixels are two of the slide's along, and the mask begins at y 100, x 40.
    place = {"pixel": 2.0, "corner": (100.0, 40.0)}
    region = shapely.box(40 + 2 * 1240, 100 + 2 * 2000, 40 + 2 * 1270, 100 + 2 * 2100)
    assert as_dict(measure_areas(labels, CLASSES, region=region, **place)) == {
        "ground": 1000,
        "gland": 2000,
    }
    outside = shapely.box(-50, -50, -10, -10)
    assert as_dict(measure_areas(labels, CLASSES, region=outside, **place)) == {
        "ground": 0,
        "gland": 0,
    }


def test_whoever_hears_of_the_progress_may_end_it():
    heard = []
    measure_areas(np.zeros((5000, 10), np.uint8), CLASSES, progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0

    def stop(share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        measure_areas(np.zeros((5000, 10), np.uint8), CLASSES, progress=stop)


def test_a_store_is_measured_as_it_stands(tmp_path):
    labels = np.random.default_rng(1).integers(0, 2, (300, 400)).astype(np.uint8)
    store = MaskStore(tmp_path / "a.ome.zarr", labels.shape, list(CLASSES.values()))
    store.write(Band(Box(0, 0, *labels.shape), labels, None))
    store.finish("a", Placement(0.5, 1.0), {})
    image = open_label_image(tmp_path / "a.ome.zarr")
    rows = measure_areas(image.values, image.classes)
    assert as_dict(rows) == {"ground": (labels == 0).sum(), "gland": (labels == 1).sum()}


@pytest.mark.parametrize("value", [np.uint16(256), np.int16(-1), np.float32(0.5)])
def test_values_that_are_no_labels_are_refused(value):
    with pytest.raises(AnnotationError, match="values outside 0 to 255"):
        measure_areas(np.full((2, 2), value), CLASSES)

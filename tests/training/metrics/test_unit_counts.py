"""Counts by picture, and by annotated field of a slide."""

import numpy as np
import pytest

from wsiseg.annotations.labels import IGNORED
from wsiseg.tiling.boxes import Box
from wsiseg.training.metrics import ConfusionMatrix, UnitCounts, pair_units


def labels(shape, seed, classes=3):
    return np.random.default_rng(seed).integers(0, classes, shape).astype(np.uint8)


def counts_of(truth, predicted, classes=3):
    matrix = ConfusionMatrix(classes)
    matrix.add(truth, predicted)
    return np.stack([matrix.hits, matrix.truth_pixels, matrix.predicted_pixels])


def add_in_bands(units, name, truth, predicted, scale, height=700):
    for y in range(0, len(truth), height):
        part = slice(y, y + height)
        box = Box(y, 0, *truth[part].shape)
        units.add(name, box, scale, truth[part], predicted[part])


def count_fields(*fields, shape=(9000, 9000), scale=4.0):
    """Annotate boxes of a slide, in pixels of level 0; return the counts by unit."""
    height, width = (int(edge / scale) for edge in shape)
    truth = np.full((height, width), IGNORED, np.uint8)
    for y, x, size in fields:
        place = tuple(slice(round(at / scale), round((at + size) / scale)) for at in (y, x))
        truth[place] = 1
    units = UnitCounts(2)
    add_in_bands(units, "slide", truth, np.ones_like(truth), scale)
    (found,) = pair_units([units])
    assert found[:, 1, 1].sum() == (truth == 1).sum()
    return found


def test_a_picture_is_one_unit_however_it_is_cut():
    pairs = [(labels((900, 40), n), labels((900, 40), n + 9)) for n in range(3)]
    pairs[1][0][:] = IGNORED
    units = UnitCounts(3)
    for name, (truth, predicted) in enumerate(pairs):
        add_in_bands(units, str(name), truth, predicted, None, height=512)
    (found,) = pair_units([units])
    # A picture on which nothing is annotated tells nothing.
    np.testing.assert_array_equal(found, [counts_of(*pairs[0]), counts_of(*pairs[2])])


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.97])
def test_five_fields_on_one_slide_are_five_units_wherever_they_lie(scale):
    fields = [(10, 10, 1500), (300, 4000, 900), (3333, 2777, 2000), (6001, 100, 2048)]
    found = count_fields(*fields, (6500, 6500, 400), scale=scale)
    assert sorted(found[:, 1, 1] * scale**2) == pytest.approx(
        sorted(size**2 for size in (1500, 900, 2000, 2048, 400)), rel=0.02
    )


def test_shapes_of_one_field_are_no_samples_of_their_own():
    assert len(count_fields((100, 100, 200), (100, 500, 300), (600, 300, 100))) == 1


def test_a_slide_that_is_annotated_throughout_has_many_fields_of_about_one_size():
    found = count_fields((0, 0, 8192), shape=(8192, 8192))
    assert found[:, 1, 1].tolist() == [512 * 512] * 16


def test_units_are_the_same_for_checkpoints_of_other_resolutions():
    fields = [(130, 70, 1000), (4000, 5000, 1100), (200, 6000, 900)]
    parts = []
    for scale in (1.0, 2.3, 4.0):
        edge = int(8000 / scale)
        truth = np.full((edge, edge), IGNORED, np.uint8)
        for value, (y, x, size) in enumerate(fields):
            truth[
                int(y / scale) : int((y + size) / scale), int(x / scale) : int((x + size) / scale)
            ] = value
        parts.append(UnitCounts(3))
        add_in_bands(parts[-1], "slide", truth, truth, scale)
    found = pair_units(parts)
    assert found.shape == (3, 3, 3, 3)
    # Every unit holds one field only, and the same one for all.
    assert ((found[:, :, 1] > 0).sum(-1) == 1).all()
    assert (found[:, :, 1].argmax(-1) == found[0, :, 1].argmax(-1)).all()


def test_nothing_that_is_annotated_is_no_unit():
    assert pair_units([UnitCounts(2), UnitCounts(2)]).shape == (2, 0, 3, 2)

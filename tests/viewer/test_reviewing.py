"""What counts as looked at: strokes of every kind, whatever they change, and their margin."""

import numpy as np
import pytest
from napari.layers import Labels

from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.painting import painting_look
from wsiseg.viewer.reviewing import REVIEW, Review

SHAPE, RADIUS = (120, 160), 10.5
DISTANCE = np.hypot(np.arange(SHAPE[0])[:, None] - 60, np.arange(SHAPE[1]) - 50)


@pytest.fixture
def layer():
    """A prediction of two classes, left and right."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, 80:] = 1
    layer = Labels(
        labels, metadata={REVIEW: Review(labels)}, colormap=painting_look({})["colormap"]
    )
    layer.brush_size = 21
    Review.of(layer)
    return layer


def kept(layer, margin=0, checked=None):
    labels = np.asarray(layer.data)
    reviewed = Review.of(layer).reviewed(labels, margin, checked)
    found = reviewed != NO_LABEL
    np.testing.assert_array_equal(reviewed[found], labels[found])
    return found


@pytest.mark.parametrize("margin", [0, 7, 300])
@pytest.mark.parametrize("value", [0, 1])
def test_a_stroke_counts_also_where_it_says_what_was_predicted(layer, value, margin):
    layer.paint((60, 50), value)
    np.testing.assert_array_equal(kept(layer), DISTANCE <= RADIUS)
    found = kept(layer, margin)
    assert found[RADIUS + margin - 1 >= DISTANCE].all()
    assert not found[RADIUS + margin < DISTANCE].any()


def test_a_stroke_over_the_edge_counts_inside(layer):
    layer.paint((0, 0), 0)
    corner = np.hypot(*np.indices(SHAPE)) <= RADIUS
    np.testing.assert_array_equal(kept(layer), corner)


def test_undo_takes_a_stroke_back_with_what_it_confirmed(layer):
    layer.paint((60, 80), 1)
    layer.paint((60, 20), 0)
    both = kept(layer)
    layer.paint((20, 80), 1)
    layer.undo()
    np.testing.assert_array_equal(kept(layer)[:40], False)
    layer.undo()
    assert not kept(layer).any()
    layer.redo()
    assert kept(layer)[60, 75:86].all()
    assert not (kept(layer) & ~both).any()


def test_polygons_and_fills_count_and_erasing_keeps_nothing(layer):
    layer.paint_polygon([(50, 10), (50, 40), (90, 40), (90, 10)], 0)
    expected = np.zeros(SHAPE, bool)
    expected[50:91, 10:41] = True
    np.testing.assert_array_equal(kept(layer), expected)
    layer.fill((5, 150), 0)
    expected[:, 80:] = True
    np.testing.assert_array_equal(kept(layer), expected)
    layer.paint((60, 50), layer.colormap.background_value)
    np.testing.assert_array_equal(kept(layer), expected & (DISTANCE > RADIUS))


def test_what_is_checked_counts_and_what_was_never_labelled_does_not(layer):
    checked = np.zeros(SHAPE, bool)
    checked[10:20, 70:90] = True
    np.testing.assert_array_equal(kept(layer, checked=checked), checked)
    blank = Labels(np.full(SHAPE, NO_LABEL, np.uint8))
    Review.of(blank)
    blank.paint((60, 50), 3)
    assert not (kept(blank, margin=30, checked=checked) & (np.asarray(blank.data) != 3)).any()


def test_a_layer_of_which_nothing_is_known_counts_from_now_on():
    layer = Labels(np.zeros(SHAPE, np.uint8))
    assert not kept(layer).any()
    layer.paint((60, 50), 2)
    assert kept(layer)[60, 50]

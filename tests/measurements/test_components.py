"""Components that are measured strip by strip are those of scikit-image on the whole mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from regionprops import assert_same
from repetitions import repetitions
from stored_masks import draw_cells
from wsiseg.annotations.connecting import Connector
from wsiseg.measurements.components import ComponentMeasurer, Components

few = st.sampled_from([0, 1, 255])
masks = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=16), elements=few)
cuts = st.lists(st.integers(1, 6), min_size=1, max_size=16)


def measure(labels, heights, values=None, **options):
    """Measure an array in strips of these heights, the last of which repeats itself."""
    measurer = ComponentMeasurer(labels.shape[1], **options)
    parts, top, heights = [], 0, list(heights)
    while top < len(labels):
        height = heights.pop(0) if len(heights) > 1 else heights[0]
        strip = slice(top, top + height)
        parts.append(measurer.add(labels[strip], None if values is None else values[strip]))
        top += height
    return Components.concatenate([*parts, measurer.finish()])


@settings(max_examples=repetitions(80, 3000))
@given(masks, cuts, st.integers(0, 2**32 - 1))
def test_they_are_those_of_scikit_image(labels, heights, seed):
    values = np.random.default_rng(seed).integers(0, 256, labels.shape).astype(np.uint8)
    assert_same(measure(labels, heights, values), labels, values)


@pytest.mark.parametrize("heights", [[1], [2], [7], [64], [256]])
def test_cells_with_holes_and_islands_whatever_the_strips(heights):
    labels = draw_cells(200, 160, seed=3)
    assert_same(measure(labels, heights), labels)


def spiral(edge):
    """Return a thin spiral: one component that fills its hull, whose ends meet in no strip."""
    labels = np.full((edge, edge), 255, np.uint8)
    for ring in range(0, edge // 2, 4):
        labels[ring, ring : edge - ring] = 1
        labels[ring : edge - ring, edge - ring - 1] = 1
        labels[edge - ring - 1, ring : edge - ring] = 1
        labels[ring + 4 : edge - ring, ring] = 1
        labels[ring + 4, ring : ring + 4] = 1
    return labels


def diagonals(edge):
    """Return steps that meet at corners only, until a bar below joins every other of them."""
    labels = np.full((edge, 2 * edge), 255, np.uint8)
    for column in range(0, 2 * edge, 2):
        labels[:, column] = 1
    labels[::4, :] = 255
    labels[0, 1::2] = 1
    labels[-1, : edge + 1] = 1
    return labels


def zigzag(edge):
    """Return two arms that touch at a corner far above the row in which they are joined."""
    labels = np.full((edge, 6), 255, np.uint8)
    labels[1:, 0] = labels[1, 0:3] = labels[2:, 5] = labels[2, 3:6] = 0
    labels[-1] = 0
    return labels


@pytest.mark.parametrize("heights", [[1], [3], [5, 2], [100]])
@pytest.mark.parametrize("draw", [spiral, diagonals, zigzag])
def test_pixels_that_meet_at_a_corner_belong_together_only_if_they_are_joined(draw, heights):
    labels = draw(33)
    assert_same(measure(labels, heights), labels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (40, 300)])
def test_one_component_that_is_the_whole_mask(shape):
    labels = np.zeros(shape, np.uint8)
    assert_same(measure(labels, [4]), labels)


def test_a_disc_that_is_large_and_a_thin_slanting_line():
    y, x = np.mgrid[:700, :900]
    labels = np.full(y.shape, 255, np.uint8)
    labels[(y - 350) ** 2 + (x - 400) ** 2 < 300**2] = 2
    labels[np.abs(7 * y - 5 * (x - 30)) < 9] = 1
    assert_same(measure(labels, [137]), labels)


def test_nothing_is_found_where_nothing_was_analysed():
    found = measure(np.full((9, 5), 255, np.uint8), [2])
    assert len(found) == 0


def test_without_shapes_the_rest_is_the_same():
    labels = draw_cells(90, 70)
    whole, sums = measure(labels, [16]), measure(labels, [16], shapes=False)
    for name in ("labels", "firsts", "pixels", "centroids", "boxes"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(sums, name))
    assert np.isnan(sums.perimeters).all()
    assert np.isnan(sums.solidities).all()
    assert np.isnan(sums.means).all()


def test_what_is_kept_does_not_grow_with_the_rows():
    strip = draw_cells(64, 80, seed=1)
    strip[0] = 255
    measurer = ComponentMeasurer(80)
    kept = []
    for _ in range(40):
        measurer.add(strip)
        kept.append(len(measurer._spans.row) + len(measurer._open.pixels))
    assert len(set(kept[1:])) == 1


def test_there_are_as_many_as_the_areas_that_are_exported():
    labels = draw_cells(120, 90)
    connector, ended = Connector(255), 0
    framed = np.pad(labels, ((1, 1), (1, 1)), constant_values=255)
    areas = connector.add(framed)
    ended = np.count_nonzero((areas.still_open < 0) & (areas.labels != 255))
    assert len(measure(labels, [11])) == ended

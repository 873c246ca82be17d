"""Areas that are traced strip by strip are those of the whole."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from drawn import plane
from wsiseg.annotations import ShapePainter
from wsiseg.annotations.tracing import AreaTracer
from wsiseg.tiling import Box

masks = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, max_side=14),
    elements=st.sampled_from([0, 1, 2, 255]),
)
cuts = st.lists(st.integers(1, 5), min_size=1, max_size=14)


def strips(mask, heights):
    """Cut an array into strips of these heights, the last of which repeats itself."""
    top = 0
    while top < len(mask):
        height = heights.pop(0) if len(heights) > 1 else heights[0]
        yield mask[top : top + height]
        top += height


def trace(mask, heights, values=None, **settings):
    tracer = AreaTracer(mask.shape[1], **settings)
    if values is None:
        found = [tracer.add(rows) for rows in strips(mask, list(heights))]
    else:
        both = zip(strips(mask, list(heights)), strips(values, list(heights)), strict=True)
        found = [tracer.add(rows, some) for rows, some in both]
    return [*found, tracer.finish()]


def shapes(found):
    return [
        (label, polygon)
        for areas in found
        for label, polygon in zip(areas.labels.tolist(), areas.polygons(), strict=True)
    ]


def paint(found, shape):
    painter = ShapePainter([(polygon, label) for label, polygon in found], plane())
    return painter.paint(Box(0, 0, *shape), 255)


def assert_jts_takes(polygons):
    """Hold the rules of JTS, which are those of GEOS, and rings that never touch themselves."""
    assert shapely.is_valid(polygons).all()
    for polygon in polygons:
        for ring in (polygon.exterior, *polygon.interiors):
            points = list(ring.coords)[1:]
            assert len(set(points)) == len(points)
        assert polygon.exterior.is_ccw
        assert not any(hole.is_ccw for hole in polygon.interiors)


@given(masks, cuts, st.booleans())
def test_however_the_rows_are_cut_the_areas_are_those_of_the_pixels(mask, heights, junctions):
    found = trace(mask, heights, junctions=junctions)
    drawn = shapes(found)
    np.testing.assert_array_equal(paint(drawn, mask.shape), mask)
    assert_jts_takes([polygon for _, polygon in drawn])
    for label in (0, 1, 2):
        areas, count = ndimage.label(mask == label)
        sizes = np.bincount(areas.ravel(), minlength=count + 1)[1:]
        pixels = np.concatenate([a.pixels[a.labels == label] for a in found])
        assert sorted(pixels) == sorted(sizes)
        assert sorted(p.area for value, p in drawn if value == label) == sorted(sizes)


@given(masks, cuts)
def test_values_are_summed_up_for_each_area(mask, heights):
    values = np.arange(mask.size, dtype=np.uint8).reshape(mask.shape)
    for areas in trace(mask, heights, values):
        for polygon, total in zip(areas.polygons(), areas.totals, strict=True):
            inside = paint([(1, polygon)], mask.shape) == 1
            assert total == values[inside].sum()


@given(masks, cuts)
def test_with_junctions_neighbours_have_all_corners_in_common(mask, heights):
    drawn = [polygon for _, polygon in shapes(trace(mask, heights, junctions=True))]
    corners = [set(shapely.get_coordinates(polygon).view("c16").ravel()) for polygon in drawn]
    for polygon, own in zip(drawn, corners, strict=True):
        for other in corners:
            for corner in other - own:
                # A corner of another one lies on no edge of this one.
                assert not polygon.boundary.intersects(shapely.Point(corner.real, corner.imag))


@pytest.mark.parametrize("height", [1, 3, 7])
@pytest.mark.parametrize("turned", [False, True])
def test_outlines_that_wind_through_many_strips(height, turned):
    snake = np.full((41, 41), 2, np.uint8)
    snake[::2] = snake[1::4, -1] = snake[3::4, 0] = 1
    mask = np.ascontiguousarray(snake.T) if turned else snake
    found = trace(mask, [height])
    drawn = shapes(found)
    assert [label for label, _ in drawn].count(1) == 1
    np.testing.assert_array_equal(paint(drawn, mask.shape), mask)
    assert_jts_takes([polygon for _, polygon in drawn])


def test_a_finished_area_is_given_at_once_and_a_large_one_at_its_end():
    mask = np.zeros((9, 9), np.uint8)
    mask[1:3, 1:3] = mask[5, 5] = 1
    found = trace(mask, [1])
    assert [areas.labels.tolist() for areas in found] == [[], [], [], [1], [], [], [1], [], [], [0]]
    ((_, ground),) = shapes(found[-1:])
    assert len(ground.interiors) == 2

"""Simplified areas are valid, keep their holes, and keep to the tolerance, whatever they are."""

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from wsiseg.annotations.tracing import AreaTracer
from wsiseg.exports.simplifying import simplify_areas

masks = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, max_side=16),
    elements=st.sampled_from([0, 1, 2, 255]),
)


def edges(count, scale):
    """Return where the edges of pixels lie in a file, which has four decimals."""
    return np.round(np.arange(count + 1) * scale + 8.7, 4)


@given(
    masks,
    st.integers(1, 16),
    st.sampled_from([0.3, 0.7, 1.0, 1.5, 2.0, 5.0, 20.0]),
    st.sampled_from([1.0, 1.002004, 0.37 / 0.2522, 1 / 3]),
)
def test_no_corner_that_is_left_out_is_farther_than_the_tolerance(mask, cut, tolerance, scale):
    rows, columns = (edges(count, scale) for count in mask.shape)
    tracer = AreaTracer(mask.shape[1], junctions=True)
    for areas in (tracer.add(mask[:cut]), tracer.add(mask[cut:]), tracer.finish()):
        exact = areas.polygons()
        simple = simplify_areas(areas, tolerance, columns, rows)
        x, y, _ = simple.rings.corners.T
        assert shapely.is_valid(simple.polygons_at(np.column_stack([columns[x], rows[y]]))).all()
        for one, other in zip(simple.polygons(), exact, strict=True):
            assert len(one.interiors) == len(other.interiors)
            corners = shapely.points(shapely.get_coordinates(other))
            assert (shapely.distance(one.boundary, corners) <= tolerance + 1e-9).all()


def test_a_corner_that_touches_a_slanting_side_stays_inside_where_it_will_lie():
    noise = ndimage.gaussian_filter(np.random.default_rng(20).random((120, 120)), 1.5)
    mask = (noise > 0.5).astype(np.uint8)
    whole, lying = np.arange(121.0), edges(120, 1.002004)
    crossing = 0
    for tolerance in (1.6, 2.0, 4.0):
        tracer = AreaTracer(120, junctions=True)
        for areas in (tracer.add(mask), tracer.finish()):
            for decided in (whole, lying):
                simple = simplify_areas(areas, tolerance, decided, decided)
                x, y, _ = simple.rings.corners.T
                placed = simple.polygons_at(np.column_stack([lying[x], lying[y]]))
                invalid = np.count_nonzero(~shapely.is_valid(placed))
                if decided is whole:
                    crossing += invalid
                else:
                    assert not invalid
    # Decided in whole pixels, where that corner only touches.
    assert crossing == 1

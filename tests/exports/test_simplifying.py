"""Simplified areas are valid, keep their holes, and keep to the tolerance, whatever they are."""

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from wsiseg.annotations.tracing import AreaTracer
from wsiseg.exports.simplifying import simplify_areas

masks = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, max_side=16),
    elements=st.sampled_from([0, 1, 2, 255]),
)


@given(masks, st.integers(1, 16), st.sampled_from([0.3, 0.7, 1.0, 1.5, 2.0, 5.0, 20.0]))
def test_no_corner_that_is_left_out_is_farther_than_the_tolerance(mask, cut, tolerance):
    tracer = AreaTracer(mask.shape[1], junctions=True)
    for areas in (tracer.add(mask[:cut]), tracer.add(mask[cut:]), tracer.finish()):
        exact = areas.polygons()
        drawn = simplify_areas(areas, tolerance).polygons()
        assert shapely.is_valid(drawn).all()
        for one, other in zip(drawn, exact, strict=True):
            assert len(one.interiors) == len(other.interiors)
            corners = shapely.points(shapely.get_coordinates(other))
            assert (shapely.distance(one.boundary, corners) <= tolerance + 1e-9).all()

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon

from drawn import RING, SQUARE, TRIANGLE, plane
from wsiseg.tiling import Box
from wsiseg.tiling.regions import PolygonRasteriser, Regions


def assert_shows(regions: Regions, geometry: shapely.Geometry, scale: float = 1.0) -> None:
    """Ask for every pixel whether its centre lies inside; on an edge either answer is right."""
    box = Box(0, 0, 100, 80)
    y, x = (axis.ravel() for axis in np.mgrid[box.y : box.bottom, box.x : box.right] + 0.5)
    expected = shapely.contains_xy(geometry, x * scale, y * scale)
    near = shapely.dwithin(shapely.points(x * scale, y * scale), shapely.boundary(geometry), 1e-6)
    differs = regions.rasterise(box).ravel() != expected
    assert not (differs & ~near).any()


numbers = st.integers(-480, 1920).map(lambda sixteenths: sixteenths / 16)
points = st.tuples(numbers, numbers)
rings = st.lists(points, min_size=3, max_size=8)


@given(st.lists(rings, min_size=1, max_size=4))
def test_pixels_are_inside_where_their_centre_is(corners: list[list[Any]]) -> None:
    parts = [shapely.get_parts(shapely.make_valid(Polygon(ring))) for ring in corners]
    areas = [part for part in np.concatenate(parts) if part.area > 1e-3]
    geometry = shapely.union_all(areas)
    if areas:
        assert_shows(Regions(geometry, plane()), geometry)


@pytest.mark.parametrize("scale", [0.4, 1.9825, 4.0])
def test_regions_are_in_pixels_of_level_0(scale: float) -> None:
    assert_shows(Regions(RING, plane(scale=scale)), RING, scale)


@given(st.integers(0, 99), st.integers(0, 79), st.integers(1, 60), st.integers(1, 60))
def test_windows_are_cut_from_the_whole(y: int, x: int, height: int, width: int) -> None:
    geometry = shapely.union_all([SQUARE, RING, TRIANGLE])
    regions = Regions(geometry, plane())
    box = Box(y, x, height, width)
    whole = regions.rasterise(Box(0, 0, 200, 200))
    np.testing.assert_array_equal(regions.rasterise(box), whole[box.slices_in(Box(0, 0, 200, 200))])


@given(st.integers(-20, 110), st.integers(-20, 90), st.integers(1, 30), st.integers(1, 30))
def test_what_has_a_pixel_inside_touches(y: int, x: int, height: int, width: int) -> None:
    regions = Regions(RING, plane())
    box = Box(y, x, height, width)
    if regions.rasterise(box).any():
        assert regions.touches(box)
    far = Box(y - 1, x - 1, height + 2, width + 2)
    if not regions.rasterise(far).any():
        assert not regions.touches(box)


def test_a_box_in_a_hole_touches_nothing() -> None:
    assert not Regions(RING, plane()).touches(Box(12, 18, 10, 10))


@given(st.lists(points, min_size=3, max_size=3, unique=True), points, st.floats(0.3, 3))
def test_neighbours_share_no_pixel_and_leave_none_out(
    corners: list[Any], apex: Any, scale: float
) -> None:
    """Two triangles on both sides of an edge, drawn in opposite directions."""
    one, other = Polygon(corners), Polygon([corners[1], corners[0], apex])
    together = shapely.union_all([one, other])
    if not one.is_valid or not other.is_valid or one.intersection(other).area > 0:
        return
    box = Box(0, 0, 100, 80)
    first, second = (
        PolygonRasteriser([one], scale).fill(box),
        PolygonRasteriser([other], scale).fill(box),
    )
    assert not (first & second).any()
    if shapely.is_valid(together) and together.geom_type == "Polygon":
        np.testing.assert_array_equal(
            first | second, PolygonRasteriser([together], scale).fill(box)
        )


def test_what_is_no_area_fills_nothing() -> None:
    mixed = shapely.GeometryCollection(
        [shapely.Point(3, 3), shapely.LineString([(0, 0), (9, 9)]), shapely.MultiPolygon([SQUARE])]
    )
    box = Box(0, 0, 100, 80)
    np.testing.assert_array_equal(
        PolygonRasteriser([mixed]).fill(box), PolygonRasteriser([SQUARE]).fill(box)
    )
    assert not PolygonRasteriser([Polygon()]).fill(box).any()


@given(st.lists(rings, min_size=2, max_size=5), st.floats(0.3, 3))
def test_several_that_overlap_are_as_their_union(corners: list[list[Any]], scale: float) -> None:
    valid = [shapely.make_valid(Polygon(ring)) for ring in corners]
    areas = [part for part in shapely.get_parts(valid) if part.area > 1e-3]
    if not areas:
        return
    # Without a grid, GEOS now and then loses a whole area of a union that nearly touches itself.
    union = shapely.union_all(areas, grid_size=1e-9)
    assert_shows(Regions(areas, plane(scale=scale)), union, scale)
    regions, united = Regions(areas, plane()), Regions(union, plane())
    for box in (Box(y, x, 13, 9) for y in range(0, 100, 13) for x in range(0, 80, 9)):
        near = shapely.box(box.x - 1e-6, box.y - 1e-6, box.right + 1e-6, box.bottom + 1e-6)
        if 0 < union.intersection(near).area < 1e-3:
            continue
        assert regions.touches(box) == united.touches(box)


def test_an_area_that_a_plain_union_loses_is_there() -> None:
    kite = Polygon([(30.1875, 0), (61.875, 11), (0, -6.8125), (0, 0.0625)])
    sliver = Polygon([(61.875, 11), (0, -6.8125), (0, -5.5625)])
    areas = [*shapely.get_parts(shapely.make_valid(kite)), sliver]
    assert_shows(Regions(areas, plane()), shapely.union_all(areas, grid_size=1e-9))


def test_thousands_that_all_cross_are_never_united() -> None:
    """Their union has millions of corners."""
    angles = np.linspace(0, np.pi, 3000, endpoint=False)
    along = np.column_stack([np.cos(angles), np.sin(angles)])
    aside = np.column_stack([-along[:, 1], along[:, 0]]) * 1e-3
    ends = np.stack([-along - aside, along - aside, along + aside, -along + aside], 1)
    regions = Regions([Polygon(40 + 35 * corners) for corners in ends], plane())
    assert regions.rasterise(Box(0, 0, 80, 80))[40, 10:70].all()
    assert regions.touches(Box(39, 39, 2, 2))
    assert not regions.touches(Box(0, 0, 10, 10))

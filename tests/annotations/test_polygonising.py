import numpy as np
import numpy.typing as npt
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from drawn import plane
from wsiseg.annotations import ShapePainter, polygonise
from wsiseg.tiling import Box

Labels = npt.NDArray[np.uint8]


def paint(
    polygons: list[tuple[int, shapely.Geometry]],
    shape: tuple[int, int],
    scale: float = 1.0,
    corner: tuple[int, int] = (0, 0),
) -> Labels:
    painter = ShapePainter([(polygon, label) for label, polygon in polygons], plane(scale=scale))
    return painter.paint(Box(*corner, *shape), 255)


def picture(*rows: str) -> Labels:
    """Return labels from digits; a dot is ignored."""
    return np.array([[255 if c == "." else int(c) for c in row] for row in rows], np.uint8)


few_labels = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, 1, 2, 255]),
)


@given(few_labels, st.sampled_from([1.0, 0.4, 1.9825, 4.0]), st.integers(-3, 40), st.integers(0, 9))
def test_labels_come_back_from_their_polygons_again_and_again(
    labels: Labels, scale: float, y: int, x: int
) -> None:
    origin = (y * scale, x * scale)
    first = polygonise(labels, scale, origin)
    painted = paint(first, labels.shape, scale, (y, x))
    np.testing.assert_array_equal(painted, labels)
    again = polygonise(painted, scale, origin)
    assert [label for label, _ in again] == [label for label, _ in first]
    assert all(one.equals(other) for (_, one), (_, other) in zip(first, again, strict=True))


@given(few_labels)
def test_there_is_one_valid_polygon_for_each_connected_area(labels: Labels) -> None:
    found = polygonise(labels)
    for label in (0, 1, 2):
        areas, count = ndimage.label(labels == label)
        polygons = [polygon for value, polygon in found if value == label]
        sizes = np.bincount(areas.ravel(), minlength=count + 1)[1:]
        assert sorted(polygon.area for polygon in polygons) == sorted(sizes)
    assert all(p.is_valid and p.geom_type == "Polygon" for _, p in found)
    assert 255 not in {label for label, _ in found}


def test_holes_and_islands_in_them() -> None:
    labels = picture("11111", "1...1", "1.2.1", "1...1", "11111")
    (one, ring), (two, island) = polygonise(labels)
    assert (one, two) == (1, 2)
    assert ring.equals(shapely.box(0, 0, 5, 5) - shapely.box(1, 1, 4, 4))
    assert island.equals(shapely.box(2, 2, 3, 3))


def test_pixels_that_meet_at_a_corner_are_apart() -> None:
    found = polygonise(picture("1.", ".1"))
    assert [polygon.bounds for _, polygon in found] == [(0, 0, 1, 1), (1, 1, 2, 2)]


def test_an_area_that_meets_itself_at_a_corner_is_valid() -> None:
    labels = picture("111", "1.1", "11.")
    ((_, polygon),) = polygonise(labels)
    assert polygon.is_valid
    assert polygon.area == 7
    assert len(polygon.interiors) == 1
    np.testing.assert_array_equal(paint([(1, polygon)], (3, 3)), labels)


def test_only_corners_become_points() -> None:
    ((_, polygon),) = polygonise(np.zeros((500, 400), np.uint8), 2.0, (10, 20))
    assert polygon.equals(shapely.box(20, 10, 820, 1010))
    assert len(polygon.exterior.coords) == 5


def test_any_label_can_be_ignored() -> None:
    labels = picture("01", "2.")
    assert [label for label, _ in polygonise(labels, ignored=0)] == [1, 2, 255]
    assert polygonise(np.full((3, 4), 255, np.uint8)) == []
    assert polygonise(np.empty((0, 4), np.uint8)) == []


@pytest.mark.parametrize("smoothing", [1, 6])
def test_a_large_mask_of_thousands_of_areas(smoothing: float) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random((500, 400)), smoothing)
    cuts = np.quantile(noise, [0.25, 0.5, 0.75])
    labels = np.digitize(noise, cuts).astype(np.uint8)
    found = polygonise(labels)
    assert len(found) > 200
    assert shapely.is_valid([polygon for _, polygon in found]).all()
    np.testing.assert_array_equal(paint(found, labels.shape), labels)

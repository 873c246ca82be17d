import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box

from drawn import RING, SQUARE, TRIANGLE, plane
from wsiseg.annotations import ShapePainter, read_annotations
from wsiseg.tiling import Box
from wsiseg.tiling.resolution import WorkingPlane

WHOLE = Box(0, 0, 100, 80)
SHAPES = [(RING, 1), (SQUARE, 2), (TRIANGLE, 7), (box(18, 12, 32, 28), 3), (RING.buffer(-3), 0)]


def expected(shapes: list[tuple[Any, int]], ground: int, scale: float) -> npt.NDArray[np.uint8]:
    """Ask every shape for every pixel centre."""
    y, x = (np.mgrid[0:100, 0:80] + 0.5) * scale
    labels = np.full((100, 80), ground, np.uint8)
    for shape, label in shapes:
        labels[shapely.contains_xy(shape, x, y)] = label
    return labels


@pytest.mark.parametrize("scale", [1.0, 0.4, 1.9825])
def test_the_last_shape_that_holds_the_centre_gives_the_label(scale: float) -> None:
    # A little aside, so that no centre lies on an edge.
    shapes = [(shapely.transform(s, lambda p: p + np.array([0.013, 0.017])), v) for s, v in SHAPES]
    for order in (shapes, shapes[::-1]):
        painted = ShapePainter(order, plane(scale=scale)).paint(WHOLE, 255)
        assert painted.dtype == np.uint8
        np.testing.assert_array_equal(painted, expected(order, 255, scale))


def test_holes_show_what_lies_below_and_islands_lie_in_them() -> None:
    shapes = [(box(0, 0, 60, 60), 5), (RING, 1), (box(20, 15, 30, 25), 2)]
    painted = ShapePainter(shapes, plane()).paint(WHOLE, 9)
    assert painted[20, 10] == 1
    assert painted[12, 17] == 5
    assert painted[20, 25] == 2
    assert painted[70, 70] == 9


def test_all_parts_of_a_multipolygon_are_painted() -> None:
    painted = ShapePainter([(MultiPolygon([SQUARE, TRIANGLE]), 4)], plane()).paint(WHOLE, 0)
    assert (painted[40, 20], painted[70, 55], painted[0, 0]) == (4, 4, 0)


@given(st.integers(-30, 99), st.integers(-30, 79), st.integers(1, 60), st.integers(1, 60))
def test_boxes_are_cut_from_the_whole(y: int, x: int, height: int, width: int) -> None:
    painter = ShapePainter(SHAPES, plane(scale=0.7))
    around = Box(-30, -30, 200, 200)
    window = Box(y, x, height, width)
    np.testing.assert_array_equal(
        painter.paint(window, 255), painter.paint(around, 255)[window.slices_in(around)]
    )


def test_no_shapes_leave_the_ground() -> None:
    assert (ShapePainter([], plane()).paint(WHOLE, 3) == 3).all()


def test_a_hundred_thousand_shapes_are_asked_only_where_they_lie() -> None:
    rows, columns = np.divmod(np.arange(100_000), 400)
    cells = shapely.box(columns * 10 + 1, rows * 10 + 1, columns * 10 + 9, rows * 10 + 9)
    shapes = list(zip(cells.tolist(), (rows % 200).tolist(), strict=True))
    painter = ShapePainter(shapes, plane(2500, 4000))
    labels = painter.paint(Box(1000, 2000, 500, 500), 255)
    row, column = np.mgrid[1000:1500, 2000:2500]
    inside = (row % 10 % 9 > 0) & (column % 10 % 9 > 0)
    np.testing.assert_array_equal(labels, np.where(inside, row // 10 % 200, 255))


def test_an_outline_of_many_corners_paints_the_same_again() -> None:
    angles = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    circle = Polygon(np.column_stack([40 + 33 * np.cos(angles), 50 + 33 * np.sin(angles)]))
    painter = ShapePainter([(circle, 1)], plane())
    first = painter.paint(WHOLE, 0)
    np.testing.assert_array_equal(painter.paint(WHOLE, 0), first)
    np.testing.assert_array_equal(first, expected([(circle, 1)], 0, 1.0))


SLIDE = (62000, 98000)


def parity_pair(data: Path, scale: float) -> tuple[WorkingPlane, list[ShapePainter]]:
    """Return painters of the same annotations, as ImageScope and as QuPath wrote them.

    QuPath rounds to a hundredth of a pixel.  The two have their layers in different orders.
    """
    folder = data / "annotations" / "wsi_handling"
    height, width = (int(side / scale) for side in SLIDE)
    laid = WorkingPlane(height, width, 0, scale, scale, 0.252 * scale)
    painters = []
    for name, labels in (("xml", (1, 2, 3)), ("json", (1, 3, 2))):
        found = read_annotations(folder / f"TCGA-EJ-5519-01Z-00-DX1.{name}").annotations
        geometries = [annotation.geometry for annotation in found]
        painters.append(ShapePainter(list(zip(geometries, labels, strict=True)), laid))
    return laid, painters


def bands(laid: WorkingPlane, height: int = 1000) -> list[Box]:
    edges = [*range(0, laid.height, height), laid.height]
    return [Box(y, 0, bottom - y, laid.width) for y, bottom in itertools.pairwise(edges)]


@pytest.mark.parametrize("scale", [24, 32, 64, 170])
def test_imagescope_and_qupath_give_the_same_mask(data: Path, scale: float) -> None:
    """From 6.05 µm per pixel on (24 of the scanner's), not one of 10.5 million pixels differs."""
    laid, (imagescope, qupath) = parity_pair(data, scale)
    mask = imagescope.paint(laid.box, 0)
    assert set(np.unique(mask)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(qupath.paint(laid.box, 0), mask)


@pytest.mark.long
def test_imagescope_and_qupath_differ_by_their_rounding_alone(data: Path) -> None:
    """At 1.008 µm per pixel, 43 of 380 million pixels have their centre within a hundredth."""
    laid, (imagescope, qupath) = parity_pair(data, 4)
    found = read_annotations(data / "annotations/wsi_handling/TCGA-EJ-5519-01Z-00-DX1.xml")
    edges = shapely.union_all([a.geometry.boundary for a in found.annotations])
    shapely.prepare(edges)
    differing = 0
    for band in bands(laid):
        y, x = np.nonzero(imagescope.paint(band, 0) != qupath.paint(band, 0))
        centres = shapely.points((x + 0.5) * 4, (y + band.y + 0.5) * 4)
        assert shapely.dwithin(edges, centres, 0.01).all()
        differing += len(y)
    assert differing == 43

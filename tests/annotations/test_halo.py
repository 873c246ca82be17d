import math
from pathlib import Path

import pytest
from shapely.geometry import Polygon, box

from drawn import RING, SQUARE, TRIANGLE, halo, in_halo, two_corners, write
from wsiseg.annotations import read_annotations


def test_layers_are_classes_with_colours(tmp_path: Path) -> None:
    content = halo(("b", [in_halo(SQUARE)]), ("a", [in_halo(TRIANGLE)]))
    file = read_annotations(write(tmp_path, content, "slide.annotations"))
    # 5634047 is 0x55F7FF, the lowest byte red.
    assert [(a.name, a.colour) for a in file.annotations] == [
        ("b", (255, 247, 85)),
        ("a", (255, 247, 85)),
    ]
    assert file.annotations[0].geometry.equals(SQUARE)
    assert file.annotations[1].geometry.equals(TRIANGLE)
    assert (file.origin, file.notes) == ("tiles of bounds", ())


def test_rectangles_and_ellipses_are_given_by_two_corners(tmp_path: Path) -> None:
    content = halo(("a", [two_corners("Rectangle", "V"), two_corners("Ellipse", "V")]))
    rectangle, ellipse = read_annotations(write(tmp_path, content)).annotations
    assert rectangle.geometry.equals(box(10, 20, 50, 80))
    assert ellipse.geometry.bounds == pytest.approx((10, 20, 50, 80), abs=0.1)
    assert ellipse.geometry.area == pytest.approx(math.pi * 20 * 30, rel=0.01)


def test_negative_regions_are_holes(tmp_path: Path) -> None:
    hole = Polygon(RING.interiors[0])
    content = halo(("a", [in_halo(hole, negative=True), in_halo(Polygon(RING.exterior))]))
    (annotation,) = read_annotations(write(tmp_path, content)).annotations
    assert annotation.geometry.equals(RING)


def test_rulers_and_pins_are_left_out_and_told(tmp_path: Path) -> None:
    content = halo(
        ("a", [two_corners("Ruler", "V"), in_halo(SQUARE)]), ("", [two_corners("Pin", "V")])
    )
    file = read_annotations(write(tmp_path, content))
    assert len(file.annotations) == 1
    assert file.notes == ("1 ruler, 1 pin were left out: they have no area",)


def test_a_layer_without_a_name_has_no_class(tmp_path: Path) -> None:
    (annotation,) = read_annotations(write(tmp_path, halo(("", [in_halo(SQUARE)])))).annotations
    assert annotation.name is None

import math
from pathlib import Path

import pytest
from shapely.geometry import Polygon, box

from drawn import RING, SQUARE, TRIANGLE, imagescope, layer, region, two_corners, write
from wsiseg.annotations import read_annotations


def test_layers_are_classes_with_colours(tmp_path: Path) -> None:
    content = imagescope(layer([region(SQUARE)], "b"), layer([region(TRIANGLE, "1")], "a"))
    file = read_annotations(write(tmp_path, content))
    assert [(a.name, a.colour) for a in file.annotations] == [
        ("b", (255, 255, 0)),
        ("a", (255, 255, 0)),
    ]
    assert file.annotations[1].geometry.equals(TRIANGLE)
    assert (file.origin, file.notes) == ("level 0", ())


@pytest.mark.parametrize(
    ("name", "heading", "value", "text", "expected"),
    [
        ("Tumor", "CaP", "x", "y", "Tumor"),
        ("", "CaP", "", "y", "CaP"),
        ("", "CaP", "x", "y", "CaP"),
        ("", "Description", "TCZ", "y", "TCZ"),
        ("", "Description", "", "Mitosis", "Mitosis"),
        ("", "Description", "", "", None),
        (" ", "", "", "", None),
    ],
)
def test_where_the_class_stands(
    name: str, heading: str, value: str, text: str, expected: str | None, tmp_path: Path
) -> None:
    content = imagescope(layer([region(SQUARE, text=text)], name, heading, value))
    (annotation,) = read_annotations(write(tmp_path, content)).annotations
    assert annotation.name == expected


def test_an_ellipse_fills_the_box_of_its_corners(tmp_path: Path) -> None:
    content = imagescope(layer([two_corners("2", "Vertex")]))
    (annotation,) = read_annotations(write(tmp_path, content)).annotations
    assert annotation.geometry.bounds == pytest.approx((10, 20, 50, 80), abs=0.1)
    assert annotation.geometry.area == pytest.approx(math.pi * 20 * 30, rel=0.01)
    assert annotation.geometry.centroid.coords[0] == pytest.approx((30, 50))


def test_a_large_ellipse_is_as_round_as_a_small_one(tmp_path: Path) -> None:
    corners = Polygon([(0, 0), (40000, 0), (40000, 40000), (0, 40000)])
    content = imagescope(layer([region(corners, "2")]))
    (annotation,) = read_annotations(write(tmp_path, content)).annotations
    assert annotation.geometry.buffer(0.2).contains(corners.centroid.buffer(20000, 4096))


def test_a_rectangle_may_be_given_by_two_corners(tmp_path: Path) -> None:
    content = imagescope(layer([two_corners("1", "Vertex")]))
    (annotation,) = read_annotations(write(tmp_path, content)).annotations
    assert annotation.geometry.equals(box(10, 20, 50, 80))


def test_arrows_and_rulers_are_left_out_and_told(tmp_path: Path) -> None:
    others = [two_corners(kind, "Vertex") for kind in ("3", "3", "4")]
    file = read_annotations(write(tmp_path, imagescope(layer([*others, region(SQUARE)]))))
    (annotation,) = file.annotations
    assert annotation.geometry.equals(SQUARE)
    assert file.notes == ("2 arrows, 1 type 4 shape were left out: they have no area",)


def test_negative_regions_are_cut_out_of_their_layer_only(tmp_path: Path) -> None:
    hole = Polygon(RING.interiors[0])
    content = imagescope(
        layer([region(Polygon(RING.exterior)), region(hole, negative=True)], "a"),
        layer([region(hole)], "b"),
    )
    file = read_annotations(write(tmp_path, content))
    ring, island = file.annotations
    assert ring.geometry.equals(RING)
    assert island.geometry.equals(hole)
    assert file.notes == ()


def test_a_region_that_is_cut_in_two_stays_one_annotation(tmp_path: Path) -> None:
    strip = box(0, 30, 100, 40)
    content = imagescope(layer([region(strip, negative=True), region(SQUARE)]))
    (annotation,) = read_annotations(write(tmp_path, content)).annotations
    assert annotation.geometry.equals(SQUARE - strip)
    assert annotation.geometry.geom_type == "MultiPolygon"


def test_what_is_cut_away_and_what_cuts_nothing_is_told(tmp_path: Path) -> None:
    content = imagescope(
        layer([region(SQUARE), region(SQUARE.buffer(1), negative=True)], "a"),
        layer([region(TRIANGLE), region(SQUARE, negative=True)], "b"),
    )
    file = read_annotations(write(tmp_path, content))
    (annotation,) = file.annotations
    assert annotation.geometry.equals(TRIANGLE)
    assert set(file.notes) == {
        "annotation 1 (a) lies in excluded regions and was left out",
        "annotation 4 (b) excludes nothing on its layer",
    }


def test_a_file_of_its_own(data: Path) -> None:
    file = read_annotations(data / "annotations" / "wsi_handling" / "TCGA-EJ-5519-01Z-00-DX1.xml")
    assert [(a.name, a.colour) for a in file.annotations] == [
        ("CaP", (0, 255, 0)),
        (None, (255, 0, 0)),
        (None, (0, 255, 255)),
    ]
    # The areas that the program itself states, but for the third, whose crossings it subtracts.
    assert file.annotations[0].geometry.area == pytest.approx(3050322256.4, abs=0.1)
    assert file.annotations[1].geometry.area == pytest.approx(1064952.4, abs=0.1)
    assert file.annotations[2].geometry.area == pytest.approx(28651504.4, rel=0.006)
    assert file.notes == ("2 annotations cross themselves and were repaired: 1 (CaP), 3",)

from pathlib import Path

import pytest

from drawn import SQUARE, TRIANGLE, asap, in_asap, write
from wsiseg.annotations import read_annotations


@pytest.mark.parametrize("kind", ["Polygon", "Rectangle", "Spline"])
def test_areas_are_read(kind: str, tmp_path: Path) -> None:
    file = read_annotations(write(tmp_path, asap(in_asap(SQUARE, kind), in_asap(TRIANGLE))))
    square, triangle = file.annotations
    assert square.geometry.equals(SQUARE)
    assert triangle.geometry.equals(TRIANGLE)
    assert [(a.name, a.colour) for a in file.annotations] == [("a", (100, 254, 46))] * 2
    assert (file.origin, file.notes) == ("level 0", ())


def test_dots_point_sets_and_measurements_are_left_out_and_told(tmp_path: Path) -> None:
    others = [in_asap(TRIANGLE, kind) for kind in ("Dot", "Dot", "PointSet", "Measurement", "None")]
    file = read_annotations(write(tmp_path, asap(*others, in_asap(SQUARE))))
    (annotation,) = file.annotations
    assert annotation.geometry.equals(SQUARE)
    left_out = "2 dots, 1 point set, 1 measurement, 1 annotation of no type"
    assert file.notes == (f"{left_out} were left out: they have no area",)


def test_an_annotation_in_no_group_has_no_class(tmp_path: Path) -> None:
    file = read_annotations(write(tmp_path, asap(in_asap(SQUARE, group="None"))))
    assert file.annotations[0].name is None


def test_the_innermost_group_is_the_class_and_has_the_colour(tmp_path: Path) -> None:
    groups = (
        '<Group Name="tumour" PartOfGroup="None" Color="#000001"/>'
        '<Group Name="in situ" PartOfGroup="tumour" Color="#0A141E"/>'
    )
    content = asap(in_asap(SQUARE, group="in situ"), groups=groups)
    (annotation,) = read_annotations(write(tmp_path, content)).annotations
    assert (annotation.name, annotation.colour) == ("in situ", (10, 20, 30))


def test_corners_are_taken_in_their_order(tmp_path: Path) -> None:
    points = [(0, 10, 10), (2, 50, 50), (1, 50, 10), (3, 10, 50)]
    inside = "".join(f'<Coordinate Order="{o}" X="{x}" Y="{y}"/>' for o, x, y in points)
    content = asap(
        f'<Annotation Type="Polygon" PartOfGroup="a"><Coordinates>{inside}</Coordinates>'
        "</Annotation>"
    )
    file = read_annotations(write(tmp_path, content))
    assert file.annotations[0].geometry.area == 1600
    assert file.notes == ()


def test_decimal_commas_are_understood(tmp_path: Path) -> None:
    content = asap(in_asap(TRIANGLE))
    commas = content.replace(".5", ",5").replace(".25", ",25").replace(".75", ",75")
    commas = commas.replace(".125", ",125")
    file = read_annotations(write(tmp_path, commas))
    assert file.annotations[0].geometry.equals(TRIANGLE)


def test_a_file_of_its_own(data: Path) -> None:
    file = read_annotations(data / "annotations" / "dlup" / "asap_example.xml")
    (annotation,) = file.annotations
    assert (annotation.name, annotation.colour) == ("healthy glands", (249, 100, 0))
    assert annotation.geometry.bounds == (11778, 12804, 11862, 12874)

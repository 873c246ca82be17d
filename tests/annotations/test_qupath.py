from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import mapping

from drawn import RING, SQUARE, TRIANGLE, collection, feature, in_qupath, write
from wsiseg.annotations import Annotation, read_annotations


def only(folder: Path, content: Any) -> Annotation:
    (annotation,) = read_annotations(write(folder, content)).annotations
    return annotation


@pytest.mark.parametrize(
    ("classification", "name", "colour"),
    [
        # 0.2 and 0.3
        ({"name": "Tumor", "colorRGB": -3670016}, "Tumor", (200, 0, 0)),
        ({"name": "Other", "colorRGB": -14336}, "Other", (255, 200, 0)),
        ({"name": "x", "colorRGB": -1}, "x", (255, 255, 255)),
        ({"name": "x", "colorRGB": 0x0A141E}, "x", (10, 20, 30)),
        (
            {"parentClass": {"name": "Tumor"}, "name": "Positive", "colorRGB": -65536},
            "Tumor: Positive",
            (255, 0, 0),
        ),
        # 0.4 to 0.6
        ({"name": "Stroma", "color": [150, 200, 150]}, "Stroma", (150, 200, 150)),
        ({"names": ["Tumor", "Positive"], "color": [1, 2, 3]}, "Tumor: Positive", (1, 2, 3)),
        ({"name": "x", "color": [1, 2, 3, 128]}, "x", (1, 2, 3)),
        ("Tumor: Positive", "Tumor: Positive", None),
        # None, or of no use
        (None, None, None),
        ({}, None, None),
        ("", None, None),
        ({"names": []}, None, None),
        ({"name": "x"}, "x", None),
        ({"name": "x", "color": [1, 2]}, "x", None),
        ({"name": "x", "color": [1, 2, 256]}, "x", None),
        ({"name": "x", "color": "red"}, "x", None),
        (7, None, None),
    ],
)
def test_classes_of_all_versions(
    classification: Any, name: str | None, colour: Any, tmp_path: Path
) -> None:
    found = only(tmp_path, [feature(SQUARE, classification=classification)])
    assert (found.name, found.colour) == (name, colour)
    assert found.geometry.equals(SQUARE)


@pytest.mark.parametrize(
    ("own", "origin"),
    [
        (feature(SQUARE, objectType="annotation"), "bounds"),
        (feature(SQUARE, classification=None), "bounds"),
        (feature(SQUARE) | {"id": "PathAnnotationObject"}, "bounds"),
        (feature(SQUARE, name="objectType"), "level 0"),
        (feature(SQUARE) | {"properties": None, "id": 7}, "level 0"),
    ],
)
@pytest.mark.parametrize("form", [collection, lambda one: [one], lambda one: one])
def test_its_own_files_count_from_what_was_scanned(
    own: dict[str, Any], origin: str, form: Any, tmp_path: Path
) -> None:
    assert read_annotations(write(tmp_path, form(own))).origin == origin


def test_the_order_is_kept(tmp_path: Path) -> None:
    content = [in_qupath(RING, "b"), in_qupath(SQUARE), in_qupath(TRIANGLE, "a")]
    found = read_annotations(write(tmp_path, content)).annotations
    assert [annotation.name for annotation in found] == ["b", None, "a"]


def test_nuclei_are_no_annotations(tmp_path: Path) -> None:
    cell = feature(RING, objectType="cell") | {"nucleusGeometry": mapping(SQUARE)}
    assert only(tmp_path, [cell]).geometry.equals(RING)


def test_objects_inside_others_come_after_them(tmp_path: Path) -> None:
    outer = in_qupath(RING, "outer")
    outer["properties"]["childObjects"] = [in_qupath(SQUARE, "inner")]
    content = [outer, in_qupath(TRIANGLE, "last")]
    found = read_annotations(write(tmp_path, content)).annotations
    assert [annotation.name for annotation in found] == ["outer", "inner", "last"]
    assert found[1].geometry.equals(SQUARE)


def test_a_file_of_0_5(data: Path) -> None:
    file = read_annotations(data / "annotations" / "dlup" / "qupath05.geojson")
    assert file.origin == "bounds"
    assert [annotation.name for annotation in file.annotations] == [None] * 3
    assert file.annotations[0].geometry.bounds[:2] == (8837, 6277)


def test_a_file_of_0_2(data: Path) -> None:
    file = read_annotations(data / "annotations" / "wsi_handling" / "TCGA-EJ-5519-01Z-00-DX1.json")
    assert file.origin == "bounds"
    assert [(a.name, a.colour) for a in file.annotations] == [
        ("Tumor", (200, 0, 0)),
        ("Other", (255, 200, 0)),
        ("Negative", (112, 112, 225)),
    ]
    assert [len(getattr(a.geometry, "geoms", [0])) for a in file.annotations] == [1, 3, 1]

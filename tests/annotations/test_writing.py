import gzip
import json
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely.geometry import MultiPolygon

from drawn import RING, SQUARE, TRIANGLE, plane
from wsiseg.annotations import (
    Annotation,
    ShapePainter,
    polygonise,
    read_annotations,
    write_qupath,
)
from wsiseg.errors import OutputError
from wsiseg.tiling import Box

DRAWN = [
    Annotation("Tumor: Positive", RING, (200, 0, 0)),
    Annotation(None, MultiPolygon([SQUARE, TRIANGLE])),
    Annotation('"quoted" ä', SQUARE),
]


@pytest.mark.parametrize("name", ["out.geojson", "out.geojson.gz"])
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    write_qupath(tmp_path / name, DRAWN)
    file = read_annotations(tmp_path / name)
    assert file.origin == "bounds"
    assert file.notes == ()
    assert [a.name for a in file.annotations] == [a.name for a in DRAWN]
    assert file.annotations[0].colour == (200, 0, 0)
    for found, drawn in zip(file.annotations, DRAWN, strict=True):
        assert found.geometry.equals(drawn.geometry)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_file_has_what_qupath_wants(tmp_path: Path) -> None:
    path = tmp_path / "out.geojson"
    write_qupath(path, DRAWN)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["type"] == "FeatureCollection"
    features = content["features"]
    assert {feature["type"] for feature in features} == {"Feature"}
    assert {feature["properties"]["objectType"] for feature in features} == {"annotation"}
    assert len({UUID(feature["id"]) for feature in features}) == 3
    assert [feature["geometry"]["type"] for feature in features] == [
        "Polygon",
        "MultiPolygon",
        "Polygon",
    ]
    classes = [feature["properties"].get("classification") for feature in features]
    assert classes[0] == {"name": "Tumor: Positive", "color": [200, 0, 0]}
    assert classes[1] is None
    # QuPath refuses a class without a colour.
    assert len(classes[2]["color"]) == 3


@pytest.mark.parametrize("name", ["out.geojson", "out.geojson.gz"])
def test_the_same_annotations_give_the_same_file(name: str, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_qupath(tmp_path / folder / name, DRAWN)
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (gzip.decompress if name.endswith("gz") else bytes)((tmp_path / "a" / name).read_bytes())


def test_no_annotations_are_an_empty_collection(tmp_path: Path) -> None:
    write_qupath(tmp_path / "out.geojson", [])
    assert json.loads((tmp_path / "out.geojson").read_text()) == {
        "type": "FeatureCollection",
        "features": [],
    }


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="missing"):
        write_qupath(tmp_path / "missing" / "out.geojson", DRAWN)


labels = arrays(np.uint8, (9, 9), elements=st.sampled_from([0, 1, 255]))


@given(labels)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_masks_come_back_through_the_file(tmp_path: Path, mask: np.ndarray) -> None:
    if (mask == 255).all():
        return
    path = tmp_path / "mask.geojson.gz"
    found = polygonise(mask, 1.9825)
    write_qupath(path, [Annotation(str(label), polygon) for label, polygon in found])
    again = read_annotations(path)
    assert again.notes == ()
    shapes = [(a.geometry, int(a.name or "")) for a in again.annotations]
    painted = ShapePainter(shapes, plane(scale=1.9825)).paint(Box(0, 0, 9, 9), 255)
    np.testing.assert_array_equal(painted, mask)

import json
from pathlib import Path
from typing import Any

import pytest
import shapely
from shapely.geometry import MultiPolygon, Polygon, mapping

from drawn import RING, SQUARE, collection, feature, write
from wsiseg.annotations import read_annotations

PAIR = MultiPolygon([SQUARE, Polygon([(50, 70), (75, 70), (60, 95)])])


@pytest.mark.parametrize("geometry", [SQUARE, RING, PAIR])
@pytest.mark.parametrize("form", ["geometry", "feature", "list", "collection", "geometries"])
def test_all_forms_are_read(geometry: shapely.Geometry, form: str, tmp_path: Path) -> None:
    content: Any = {
        "geometry": mapping(geometry),
        "feature": feature(geometry),
        "list": [feature(geometry)],
        "collection": collection(feature(geometry)),
        "geometries": {"type": "GeometryCollection", "geometries": [mapping(geometry)]},
    }[form]
    file = read_annotations(write(tmp_path, content))
    (annotation,) = file.annotations
    assert annotation.geometry.equals(geometry)
    assert annotation.geometry.geom_type == geometry.geom_type
    assert (annotation.name, annotation.colour) == (None, None)
    assert file.origin == "level 0"
    assert file.notes == ()


def test_points_and_lines_are_left_out_and_told(tmp_path: Path) -> None:
    point, line = shapely.Point(1, 1), shapely.LineString([(0, 0), (70, 70)])
    mixed = shapely.GeometryCollection([RING, point])
    nothing = {"type": "Feature", "properties": None, "geometry": None}
    content = [feature(point), feature(line), nothing, feature(SQUARE), feature(mixed)]
    file = read_annotations(write(tmp_path, content))
    assert [a.geometry.area for a in file.annotations] == [SQUARE.area, RING.area]
    assert file.notes == (
        "2 points, 1 line, 1 feature without geometry were left out: they have no area",
    )


def test_heights_beside_x_and_y_are_passed_over(tmp_path: Path) -> None:
    corners = [[x, y, 0] for x, y in SQUARE.exterior.coords]
    file = read_annotations(write(tmp_path, {"type": "Polygon", "coordinates": [corners]}))
    assert file.annotations[0].geometry.equals(SQUARE)


def test_an_open_ring_is_closed_and_told(tmp_path: Path) -> None:
    corners = [list(corner) for corner in SQUARE.exterior.coords[:-1]]
    file = read_annotations(write(tmp_path, {"type": "Polygon", "coordinates": [corners]}))
    assert file.annotations[0].geometry.equals(SQUARE)
    assert file.notes == ("annotation 1 is not closed and was closed",)


def test_numbers_that_are_written_as_text_do_not_become_others(tmp_path: Path) -> None:
    corners = [[str(x), str(y)] for x, y in SQUARE.exterior.coords]
    file = read_annotations(
        write(tmp_path, json.dumps({"type": "Polygon", "coordinates": [corners]}))
    )
    assert file.annotations[0].geometry.equals(SQUARE)

from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.affinity import translate
from shapely.geometry import Polygon, box, mapping

from drawn import (
    RING,
    SQUARE,
    TRIANGLE,
    collection,
    feature,
    imagescope,
    in_qupath,
    layer,
    plane,
    region,
    slide,
    write,
)
from wsiseg.annotations import read_regions
from wsiseg.errors import AnnotationError
from wsiseg.tiling import Box
from wsiseg.tiling.regions import Regions

WHOLE = Box(0, 0, 100, 80)


def assert_same(regions: Regions, geometry: shapely.Geometry, scale: float = 1.0) -> None:
    expected = Regions(geometry, plane(scale=scale)).rasterise(WHOLE)
    assert expected.any()
    np.testing.assert_array_equal(regions.rasterise(WHOLE), expected)


def test_all_shapes_are_one_region_whatever_their_classes(tmp_path: Path) -> None:
    drawn = [in_qupath(SQUARE, "a"), in_qupath(RING, "b"), in_qupath(TRIANGLE)]
    regions, notes = read_regions(write(tmp_path, collection(*drawn)), slide(), plane())
    assert_same(regions, shapely.union_all([SQUARE, RING, TRIANGLE]))
    assert notes == ()


@pytest.mark.parametrize("scale", [0.4, 1.9825, 4.0])
def test_they_are_in_pixels_of_level_0(scale: float, tmp_path: Path) -> None:
    path = write(tmp_path, feature(RING))
    regions, _ = read_regions(path, slide(1000, 1000), plane(scale=scale))
    assert_same(regions, RING, scale)


def test_negative_regions_are_not_looked_at(tmp_path: Path) -> None:
    hole = Polygon(RING.interiors[0])
    content = imagescope(layer([region(Polygon(RING.exterior)), region(hole, negative=True)]))
    regions, _ = read_regions(write(tmp_path, content), slide(), plane())
    assert_same(regions, RING)
    assert not regions.touches(Box(12, 18, 10, 10))


def test_qupath_counts_from_what_was_scanned(tmp_path: Path) -> None:
    scanned = slide(5000, 5000, bounds=Box(4000, 3000, 1000, 1000))
    path = write(tmp_path, collection(in_qupath(SQUARE)))
    regions, notes = read_regions(path, scanned, plane(5000, 5000))
    assert regions.rasterise(Box(4000, 3000, 100, 80)).sum() == SQUARE.area
    assert regions.touches(Box(4020, 3010, 1, 1))
    assert len(notes) == 1


def test_some_may_lie_outside_the_slide(tmp_path: Path) -> None:
    path = write(tmp_path, [feature(SQUARE), feature(translate(SQUARE, 5000, 0))])
    regions, _ = read_regions(path, slide(), plane())
    assert_same(regions, SQUARE)


def test_a_region_over_the_edge_is_taken_as_far_as_it_goes(tmp_path: Path) -> None:
    wide = Polygon([(-500, 50.2), (500, 50.2), (500, 800), (-500, 800)])
    regions, _ = read_regions(write(tmp_path, mapping(wide)), slide(), plane())
    assert_same(regions, wide)


@pytest.mark.parametrize("outside", [(500, 500, 600, 600), (-90, -90, -1, -1), (80, 0, 120, 50)])
def test_not_all_may_lie_outside(outside: tuple[int, ...], tmp_path: Path) -> None:
    path = write(tmp_path, mapping(box(*outside)))
    with pytest.raises(AnnotationError, match="all regions lie outside the slide") as caught:
        read_regions(path, slide(), plane())
    assert caught.value.where == path


def test_repairs_are_told(tmp_path: Path) -> None:
    bow = Polygon([(10, 10), (50, 50), (50, 10), (10, 50)])
    _, notes = read_regions(write(tmp_path, feature(bow)), slide(), plane())
    assert notes == ("annotation 1 crosses itself and was repaired",)


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("dlup/asap_example.xml", (12850, 11810), (12805, 11850)),
        ("dlup/qupath05.geojson", (6400, 8900), (6000, 8000)),
    ],
)
def test_files_of_other_programs_are_read(
    data: Path, name: str, inside: tuple[int, int], outside: tuple[int, int]
) -> None:
    large = slide(100000, 100000)
    regions, _ = read_regions(data / "annotations" / name, large, plane(100000, 100000))
    for (y, x), expected in ((inside, True), (outside, False)):
        assert regions.rasterise(Box(y, x, 1, 1)).all() == expected
        assert regions.touches(Box(y, x, 1, 1)) == expected

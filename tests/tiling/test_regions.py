import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, mapping

from wsiseg.errors import RegionError
from wsiseg.tiling import Box
from wsiseg.tiling.regions import Regions, read_regions
from wsiseg.tiling.resolution import WorkingPlane

SQUARE = Polygon([(10, 20), (30, 20), (30, 60), (10, 60)])
RING = Polygon(
    [(5, 5), (45, 5), (45, 45), (5, 45)], holes=[[(15, 10), (35, 10), (35, 30), (15, 30)]]
)


def plane(height: int = 100, width: int = 80, scale: float = 1.0) -> WorkingPlane:
    return WorkingPlane(height, width, 0, scale, scale, 0.5 * scale)


def assert_shows(regions: Regions, geometry: shapely.Geometry, scale: float = 1.0) -> None:
    """Ask for every pixel whether its centre lies inside; on an edge either answer is right."""
    box = Box(0, 0, 100, 80)
    y, x = (axis.ravel() for axis in np.mgrid[box.y : box.bottom, box.x : box.right] + 0.5)
    expected = shapely.contains_xy(geometry, x * scale, y * scale)
    near = shapely.dwithin(shapely.points(x * scale, y * scale), shapely.boundary(geometry), 1e-6)
    differs = regions.rasterise(box).ravel() != expected
    assert not (differs & ~near).any()


def write(folder: Path, content: Any) -> Path:
    path = folder / "regions.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def feature(geometry: shapely.Geometry) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"name": "ö"}, "geometry": mapping(geometry)}


@pytest.mark.parametrize(
    "geometry", [SQUARE, RING, MultiPolygon([SQUARE, Polygon([(50, 70), (75, 70), (60, 95)])])]
)
@pytest.mark.parametrize("form", ["geometry", "feature", "list", "collection", "geometries"])
def test_geojson_is_read_in_all_its_forms(
    geometry: shapely.Geometry, form: str, tmp_path: Path
) -> None:
    content: Any = {
        "geometry": mapping(geometry),
        "feature": feature(geometry),
        "list": [feature(geometry)],
        "collection": {"type": "FeatureCollection", "features": [feature(geometry)]},
        "geometries": {"type": "GeometryCollection", "geometries": [mapping(geometry)]},
    }[form]
    assert_shows(read_regions(write(tmp_path, content), plane()), geometry)


def test_gzipped_geojson_is_read(tmp_path: Path) -> None:
    path = tmp_path / "regions.geojson.gz"
    path.write_bytes(gzip.compress(json.dumps(feature(RING)).encode()))
    assert_shows(read_regions(path, plane()), RING)


def test_several_features_are_one_region(tmp_path: Path) -> None:
    shapes = [SQUARE, RING, Polygon([(20, 40), (70, 60), (20, 90)])]
    path = write(tmp_path, [feature(s) for s in shapes])
    assert_shows(read_regions(path, plane()), shapely.union_all(shapes))


def test_points_and_lines_beside_polygons_are_passed_over(tmp_path: Path) -> None:
    others = [shapely.Point(1, 1), shapely.LineString([(0, 0), (70, 70)])]
    path = write(tmp_path, [feature(s) for s in (*others, SQUARE)])
    assert_shows(read_regions(path, plane()), SQUARE)


def test_heights_beside_x_and_y_are_passed_over(tmp_path: Path) -> None:
    corners = [[x, y, 0] for x, y in SQUARE.exterior.coords]
    path = write(tmp_path, {"type": "Polygon", "coordinates": [corners]})
    assert_shows(read_regions(path, plane()), SQUARE)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(feature(SQUARE)), encoding="utf-8-sig")
    assert_shows(read_regions(path, plane()), SQUARE)
    path.write_text(IMAGESCOPE.format(regions=region(SQUARE)), encoding="utf-8-sig")
    assert_shows(read_regions(path, plane()), SQUARE)


def test_a_polygon_that_crosses_itself_is_mended(tmp_path: Path) -> None:
    corners = [[10, 10], [50, 50], [50, 10], [10, 50], [10, 10]]
    regions = read_regions(write(tmp_path, {"type": "Polygon", "coordinates": [corners]}), plane())
    bow = [Polygon([(10, 10), (30, 30), (10, 50)]), Polygon([(50, 50), (30, 30), (50, 10)])]
    assert_shows(regions, shapely.union_all(bow).buffer(1e-9))


ASAP = """<?xml version="1.0"?>
<ASAP_Annotations><Annotations>{annotations}</Annotations>
<AnnotationGroups><Group Name="a" PartOfGroup="None" Color="#64FE2E"><Attributes/></Group>
</AnnotationGroups></ASAP_Annotations>"""

IMAGESCOPE = """<Annotations MicronsPerPixel="0.25"><Annotation Id="1" Name="" Type="4">
<Attributes><Attribute Name="a" Id="0" Value=""/></Attributes>
<Regions><RegionAttributeHeaders/>{regions}</Regions><Plots/></Annotation></Annotations>"""


def annotation(geometry: Polygon, kind: str = "Polygon") -> str:
    corners = "".join(
        f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>'
        for i, (x, y) in enumerate(geometry.exterior.coords[:-1])
    )
    return (
        f'<Annotation Name="1" Type="{kind}" PartOfGroup="a" Color="#64FE2E">'
        f"<Coordinates>{corners}</Coordinates></Annotation>"
    )


def region(geometry: Polygon, negative: str = "0") -> str:
    corners = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in geometry.exterior.coords[:-1])
    return (
        f'<Region Id="1" Type="0" NegativeROA="{negative}"><Attributes/>'
        f"<Vertices>{corners}</Vertices></Region>"
    )


TRIANGLE = Polygon([(40.5, 62.25), (77.5, 64.75), (52.125, 97.5)])


@pytest.mark.parametrize("kind", ["Polygon", "Rectangle", "Spline"])
def test_asap_areas_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "regions.xml"
    path.write_text(ASAP.format(annotations=annotation(SQUARE, kind) + annotation(TRIANGLE)))
    assert_shows(read_regions(path, plane()), shapely.union_all([SQUARE, TRIANGLE]))


def test_asap_dots_and_measures_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "regions.xml"
    others = annotation(TRIANGLE, "Dot") + annotation(TRIANGLE, "Measurement")
    path.write_text(ASAP.format(annotations=others + annotation(SQUARE)))
    assert_shows(read_regions(path, plane()), SQUARE)


def test_imagescope_areas_are_read_without_the_excluded(tmp_path: Path) -> None:
    path = tmp_path / "regions.xml"
    path.write_text(IMAGESCOPE.format(regions=region(SQUARE) + region(TRIANGLE, negative="1")))
    assert_shows(read_regions(path, plane()), SQUARE)


def test_imagescope_rulers_are_passed_over(tmp_path: Path) -> None:
    ends = '<Vertices><Vertex X="0" Y="0"/><Vertex X="9" Y="9"/></Vertices>'
    path = tmp_path / "regions.xml"
    path.write_text(IMAGESCOPE.format(regions=f"<Region>{ends}</Region>{region(TRIANGLE)}"))
    assert_shows(read_regions(path, plane()), TRIANGLE)


def test_the_name_of_the_file_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "regions.geojson"
    path.write_text("\n  " + IMAGESCOPE.format(regions=region(SQUARE)))
    assert_shows(read_regions(path, plane()), SQUARE)


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
    regions = read_regions(data / "annotations" / name, plane(100000, 100000))
    for (y, x), expected in ((inside, True), (outside, False)):
        assert regions.rasterise(Box(y, x, 1, 1)).all() == expected
        assert regions.touches(Box(y, x, 1, 1)) == expected


def test_imagescope_and_qupath_agree_on_the_same_slide(data: Path) -> None:
    folder = data / "annotations" / "wsi_handling"
    large = plane(600, 700, scale=170.0)
    xml = read_regions(folder / "TCGA-EJ-5519-01Z-00-DX1.xml", large).rasterise(large.box)
    qupath = read_regions(folder / "TCGA-EJ-5519-01Z-00-DX1.json", large).rasterise(large.box)
    assert xml.any()
    # Their corners are rounded differently.
    assert (xml & qupath).sum() / (xml | qupath).sum() > 0.99


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


@given(st.integers(0, 99), st.integers(0, 79), st.integers(1, 60), st.integers(1, 60))
def test_windows_are_cut_from_the_whole(y: int, x: int, height: int, width: int) -> None:
    geometry = shapely.union_all([SQUARE, RING, TRIANGLE])
    regions = Regions(geometry, plane())
    box = Box(y, x, height, width)
    whole = regions.rasterise(Box(0, 0, 200, 200))
    np.testing.assert_array_equal(regions.rasterise(box), whole[box.within(Box(0, 0, 200, 200))])


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


@pytest.mark.parametrize("scale", [0.4, 1.9825, 4.0])
def test_regions_are_in_pixels_of_level_0(scale: float, tmp_path: Path) -> None:
    path = write(tmp_path, feature(RING))
    assert_shows(read_regions(path, plane(scale=scale)), RING, scale)


def test_a_region_over_the_edge_is_taken_as_far_as_it_goes(tmp_path: Path) -> None:
    wide = Polygon([(-500, 50.2), (500, 50.2), (500, 800), (-500, 800)])
    assert_shows(read_regions(write(tmp_path, mapping(wide)), plane()), wide)


BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha">
<!ENTITY c "&b;&b;&b;&b;&b;&b;">]><Annotations>&c;</Annotations>"""

OUTER_ENTITY = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>
<Annotations>&b;</Annotations>"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "neither"),
        ("no regions", "neither"),
        ("7", "neither"),
        ("null", "neither"),
        ('"text"', "neither"),
        ("[1, 2]", "neither"),
        ('{"type": "Feature"', "neither"),
        ('{"type": "Nonsense", "coordinates": [[[1, 2]]]}', "neither"),
        ('{"type": "Polygon"}', "neither"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3, "x"], [5, 6], [1, 2]]]}', "neither"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}', "neither"),
        ("[" * 100_000, "neither"),
        ("<Annotations><Annotation>", "neither"),
        (IMAGESCOPE.format(regions='<Region><Vertex X="1"/></Region>'), "neither"),
        (IMAGESCOPE.format(regions='<Region><Vertex X="a" Y="1"/></Region>'), "neither"),
        (BOMB, "neither"),
        (OUTER_ENTITY, "neither"),
        ("[]", "no polygon"),
        ('{"type": "FeatureCollection", "features": []}', "no polygon"),
        ('{"type": "Point", "coordinates": [1, 2]}', "no polygon"),
        ('{"type": "Polygon", "coordinates": []}', "no polygon"),
        ("<Annotations></Annotations>", "no polygon"),
        (IMAGESCOPE.format(regions=region(SQUARE, negative="1")), "no polygon"),
        (json.dumps(mapping(shapely.box(500, 500, 600, 600))), "outside the slide"),
        (json.dumps(mapping(shapely.box(-90, -90, -1, -1))), "outside the slide"),
        (json.dumps(mapping(shapely.box(80, 0, 120, 50))), "outside the slide"),
    ],
    ids=lambda value: value[:24] if len(value) < 2000 else "deep",
)
def test_what_cannot_be_used_is_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RegionError, match=message) as caught:
        read_regions(write(tmp_path, content), plane())
    assert caught.value.where == tmp_path / "regions.json"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"\x1f\x8bnot gzip", gzip.compress(b"[]" * 999)[:-20], b"\xff"]
)
def test_damaged_bytes_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "regions").write_bytes(content)
    with pytest.raises(RegionError):
        read_regions(tmp_path / "regions", plane())


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(RegionError, match="cannot be read"):
            read_regions(path, plane())


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["Polygon", "Feature", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "features", "geometry", "coordinates", "geometries"]), inner
        )
    ),
)


@given(json_values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_json_breaks_the_reader(tmp_path: Path, content: Any) -> None:
    path = write(tmp_path, content)
    try:
        regions = read_regions(path, plane())
    except RegionError:
        return
    assert regions.rasterise(Box(0, 0, 100, 80)).any()

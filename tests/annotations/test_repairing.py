from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely.geometry import MultiPolygon, Polygon, box, mapping

from drawn import SQUARE, feature, imagescope, in_qupath, layer, region, write
from wsiseg.annotations import read_annotations
from wsiseg.annotations.program import Drawing, Rings
from wsiseg.annotations.repairing import make_annotations
from wsiseg.errors import AnnotationError

BOW = Polygon([(10, 10), (50, 50), (50, 10), (10, 50)])


def test_a_polygon_that_crosses_itself_keeps_both_halves(tmp_path: Path) -> None:
    file = read_annotations(write(tmp_path, [in_qupath(SQUARE), in_qupath(BOW, "Tumor")]))
    halves = [Polygon([(10, 10), (30, 30), (10, 50)]), Polygon([(50, 50), (30, 30), (50, 10)])]
    assert file.annotations[1].geometry.equals(MultiPolygon(halves))
    assert file.notes == ("annotation 2 (Tumor) crosses itself and was repaired",)


def test_what_was_circled_twice_is_no_hole(tmp_path: Path) -> None:
    """The pen crosses its own beginning before it is lifted, as it does in every second drawing."""
    overshooting = Polygon([(0, 20), (0, 60), (60, 60), (60, 0), (-5, 0), (-5, 30), (20, 30)])
    file = read_annotations(write(tmp_path, [in_qupath(overshooting)]))
    found = file.annotations[0].geometry
    assert found.contains(box(1, 31, 59, 59))
    assert found.contains(shapely.Point(5, 29))


def test_parts_that_overlap_are_joined(tmp_path: Path) -> None:
    parts = MultiPolygon([box(0, 0, 20, 20), box(10, 10, 30, 30)])
    file = read_annotations(write(tmp_path, [feature(parts)]))
    assert file.annotations[0].geometry.equals(shapely.union_all(parts))


@pytest.mark.parametrize(
    "corners",
    [
        [(1, 2), (1, 0), (1, 1), (2, 0), (1, 2), (1, 1), (0, 0)],
        [(2, 3), (2, 4), (3, 3), (1, 1), (4, 3), (3, 3), (0, 0)],
        [(1, 0), (1, 1), (0, 1), (1, 0), (1, 0), (0, 0), (0, 1)],
    ],
)
def test_an_outline_that_runs_back_over_itself_becomes_valid(
    corners: list[tuple[int, int]], tmp_path: Path
) -> None:
    drawn = shapely.polygonize([shapely.node(shapely.LinearRing(corners))])
    (annotation,) = read_annotations(write(tmp_path, [in_qupath(Polygon(corners))])).annotations
    assert annotation.geometry.is_valid
    assert annotation.geometry.equals(shapely.union_all(shapely.get_parts(drawn)))


def test_excluded_regions_that_a_plain_union_loses_are_cut_out(tmp_path: Path) -> None:
    kite = Polygon([(30.1875, 0), (61.875, 11), (0, -6.8125), (0, 0.0625)])
    sliver = Polygon([(61.875, 11), (0, -6.8125), (0, -5.5625)])
    excluded = [*shapely.get_parts(shapely.make_valid(kite)), sliver]
    frame = box(-100, -100, 100, 100)
    regions = [region(frame), *(region(each, negative=True) for each in excluded)]
    (annotation,) = read_annotations(write(tmp_path, imagescope(layer(regions)))).annotations
    rest = frame
    for each in excluded:
        rest = rest - each
    assert annotation.geometry.symmetric_difference(rest).area < 1e-6
    assert shapely.union_all(excluded).area < frame.area - rest.area - 1


@pytest.mark.long
def test_ten_thousand_flaws_are_one_note(tmp_path: Path) -> None:
    flat = Polygon([(1, 1), (2, 2), (3, 3)])
    shapes = [in_qupath(BOW, "Tumor")] * 10_000 + [in_qupath(flat)] * 2
    file = read_annotations(write(tmp_path, shapes))
    assert len(file.annotations) == 10_000
    crossing, covering_nothing = file.notes
    assert crossing == (
        "10000 annotations cross themselves and were repaired: "
        "1 (Tumor), 2 (Tumor), 3 (Tumor) and 9997 more"
    )
    assert covering_nothing == "2 annotations cover no area and were left out: 10001, 10002"


def test_too_few_corners_are_left_out_and_told(tmp_path: Path) -> None:
    line = region(Polygon([(0, 0), (9, 9), (0, 0)]))
    none = '<Region Type="0"><Vertices/></Region>'
    file = read_annotations(write(tmp_path, imagescope(layer([line, none, region(SQUARE)]))))
    assert len(file.annotations) == 1
    assert file.notes == (
        "2 annotations have fewer than three corners and were left out: 1 (a), 2 (a)",
    )


def test_a_hole_of_two_corners_is_left_out_and_told(tmp_path: Path) -> None:
    geometry = dict(mapping(SQUARE))
    geometry["coordinates"] = [*geometry["coordinates"], [[15, 25], [20, 30], [15, 25]]]
    file = read_annotations(write(tmp_path, geometry))
    assert file.annotations[0].geometry.equals(SQUARE)
    assert file.notes == (
        "annotation 1 has a ring of fewer than three corners, which was left out",
    )


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("NaN", "annotation 2 (a) has a coordinate that is not a number"),
        ("-Infinity", "annotation 2 (a) has a coordinate that is not a number"),
        ("null", "annotation 2 (a) has a coordinate that is not a number"),
        ("1e9", "annotation 2 (a) reaches to pixel 1e+09, farther than any slide"),
    ],
)
def test_an_area_that_nobody_knows_is_refused(number: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, [in_qupath(SQUARE), in_qupath(SQUARE, "a")])
    path.write_text(f"{number}".join(path.read_text().rsplit("60.0", 1)))
    with pytest.raises(AnnotationError) as caught:
        read_annotations(path)
    assert message in str(caught.value)


corners = arrays(np.float64, st.tuples(st.integers(0, 7), st.just(2)), elements=st.integers(0, 9))


@given(st.lists(st.lists(corners, max_size=3).map(tuple), max_size=3).map(tuple))
def test_whatever_was_drawn_becomes_valid_or_a_note(
    polygons: tuple[Rings, ...],
) -> None:
    annotations, notes = make_annotations([Drawing(None, polygons=polygons)])
    for annotation in annotations:
        assert annotation.geometry.is_valid
        assert annotation.geometry.area > 0
        assert annotation.geometry.geom_type in ("Polygon", "MultiPolygon")
    if polygons and not annotations:
        assert len(notes) >= 1

"""Which of two classes lies over the other, and what is said about it."""

from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import Point, box

from drawn import asap, collection, halo, in_asap, in_halo, in_qupath, plane, slide, write
from odd_annotations import MADE
from wsiseg.annotations import Annotation, read_annotations, write_qupath
from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.annotations.overlapping import (
    Shape,
    describe_overlaps,
    find_overlaps,
    painting_order,
)
from wsiseg.annotations.polygons import PolygonLabels
from wsiseg.errors import ArgumentError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.resolution import plane_at_level

NAMES = {0: "tissue", 1: "tumour", 2: "hole", IGNORED: "ignore"}
WHOLE = box(0, 0, 60, 60)
HOLE = box(20, 20, 40, 40)


def order_of(*shapes: Shape, ranks: dict[int, int] | None = None) -> list[int]:
    return painting_order(shapes, find_overlaps(shapes), ranks)


@pytest.mark.parametrize(
    ("shapes", "order"),
    [
        ([], []),
        ([(HOLE, 1), (WHOLE, 0)], [1, 0]),
        ([(WHOLE, 0), (HOLE, 1)], [0, 1]),
        # Edges are drawn by hand.
        ([(box(20, 20, 40, 61), 1), (WHOLE, 0)], [1, 0]),
        ([(box(50, 0, 90, 60), 1), (WHOLE, 0)], [0, 1]),
        # Of one class, nothing is hidden; nor is the same shape inside itself.
        ([(HOLE, 1), (WHOLE, 1)], [0, 1]),
        ([(HOLE, 1), (HOLE, 0)], [0, 1]),
        # Only those that have to move do.
        (
            [(box(70, 0, 80, 9), 0), (HOLE, 2), (box(25, 25, 30, 30), 0), (WHOLE, 1)],
            [0, 3, 1, 2],
        ),
        ([(box(26, 26, 28, 28), 2), (HOLE, 1), (WHOLE, 0)], [2, 1, 0]),
    ],
)
def test_what_lies_inside_another_class_lies_over_it(shapes: list[Shape], order: list[int]) -> None:
    assert order_of(*shapes) == order


def test_the_order_that_is_given_comes_first() -> None:
    shapes = [(HOLE, 1), (WHOLE, 0), (box(0, 0, 10, 10), 2)]
    assert order_of(*shapes, ranks={0: 1, 1: 0}) == [2, 0, 1]
    assert order_of(*shapes, ranks={1: 0}) == [1, 2, 0]


def test_what_was_painted_stays_over_what_it_encloses(tmp_path: Path) -> None:
    drawn = [Annotation("a", HOLE), Annotation("b", WHOLE), Annotation("c", WHOLE, painted=True)]
    write_qupath(tmp_path / "drawn.geojson", drawn)
    assert [each.painted for each in read_annotations(tmp_path / "drawn.geojson").annotations] == [
        False,
        False,
        True,
    ]
    labels, _ = paint(tmp_path / "drawn.geojson", "a=a,b=b,c=c")
    assert (labels[:60, :60] == 2).all()
    write_qupath(tmp_path / "drawn.geojson", drawn[:2])
    labels, _ = paint(tmp_path / "drawn.geojson", "a=a,b=b")
    assert (labels[20:40, 20:40] == 0).all()


def test_overlaps_of_different_classes_are_counted() -> None:
    shapes = [(WHOLE, 0), (HOLE, 1), (box(50, 50, 70, 70), 1), (box(30, 30, 45, 45), 1)]
    overlaps = find_overlaps(shapes)
    assert overlaps.areas.sum() == 400 + 100 + 225
    (note,) = describe_overlaps(shapes, overlaps, order_of(*shapes), NAMES)
    assert note == "shapes of different classes overlap: tumour lies over tissue on 725 pixels"


@pytest.mark.parametrize(
    "shapes",
    [[(WHOLE, 0), (HOLE, 0)], [(WHOLE, 0), (box(60, 0, 90, 60), 1)], [(WHOLE, 0)], []],
)
def test_what_shares_no_area_is_not_worth_a_word(shapes: list[Shape]) -> None:
    assert not list(describe_overlaps(shapes, find_overlaps(shapes), order_of(*shapes), NAMES))


def test_more_than_can_be_counted_is_told() -> None:
    """Nine million pairs would take minutes."""
    shapes: list[Shape] = [(Point(i, i).buffer(20_000), i % 3) for i in range(6000)]
    overlaps = find_overlaps(shapes)
    assert not overlaps.complete
    order = painting_order(shapes, overlaps)
    assert sorted(order) == list(range(6000))
    (note,) = describe_overlaps(shapes, overlaps, order, NAMES)
    assert note.startswith("shapes of different classes overlap")


def paint(path: Path, class_map: str) -> tuple[Labels, tuple[str, ...]]:
    laid = plane()
    labels = PolygonLabels(path, ClassMap.read(class_map), "level0").open(slide(), laid)
    return labels.read(Box(0, 0, 100, 80)), labels.notes


CONTENTS = {
    "QuPath": lambda *drawn: collection(*(in_qupath(*each) for each in drawn)),
    "ASAP": lambda *drawn: asap(*(in_asap(shape, group=name) for shape, name in drawn)),
    "HALO": lambda *drawn: halo(*((name, [in_halo(shape)]) for shape, name in drawn)),
}


@pytest.mark.parametrize("program", list(CONTENTS))
@pytest.mark.parametrize("first", [True, False])
def test_an_exclusion_counts_wherever_it_stands(program: str, first: bool, tmp_path: Path) -> None:
    drawn = [(HOLE, "b"), (WHOLE, "a")]
    path = write(tmp_path, CONTENTS[program](*(drawn if first else drawn[::-1])))
    expected = np.full((100, 80), IGNORED)
    expected[:60, :60] = 0
    expected[20:40, 20:40] = 1
    labels, notes = paint(path, "a=tumour,b=normal")
    np.testing.assert_array_equal(labels, expected)
    assert notes[-1].endswith("normal lies over tumour on 400 pixels")
    expected[20:40, 20:40] = IGNORED
    labels, notes = paint(path, "a=tumour,b=ignore")
    np.testing.assert_array_equal(labels, expected)
    assert notes[-1].endswith("ignore lies over tumour on 400 pixels")


@pytest.mark.parametrize("name", ["asap_excl_before", "asap_excl_after"])
@pytest.mark.parametrize("meaning", ["normal", "ignore", "background"])
def test_reported_exclusions(tmp_path: Path, name: str, meaning: str) -> None:
    path = tmp_path / f"{name}.xml"
    path.write_bytes(MADE[path.name]())
    drawn = slide(120, 120)
    class_map = ClassMap.read(f"_0=tumour,_2={meaning},unannotated=background")
    labels = PolygonLabels(path, class_map).open(drawn, plane_at_level(drawn, 0))
    counts = np.bincount(labels.read(Box(0, 0, 120, 120)).ravel(), minlength=256)
    assert counts[0] == 100 * 100 - 50 * 50
    assert counts[class_map.label("_2", path) or 0] >= 50 * 50


def test_the_order_of_a_class_map(tmp_path: Path) -> None:
    path = write(tmp_path, CONTENTS["QuPath"]((WHOLE, "a"), (HOLE, "b")), "drawn.geojson")
    classes = tmp_path / "classes.yaml"
    classes.write_text("map: {a: tumour, b: normal}\norder: [normal, tumour]\n")
    labels, notes = paint(path, str(classes))
    assert set(np.unique(labels)) == {0, IGNORED}
    assert notes[-1].endswith("tumour lies over normal on 400 pixels")


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("[normal, tumor]", "names 'tumor', which is not a class.*'tumour'"),
        ("[normal, normal]", "names 'normal', twice"),
        ("normal", "not a list of classes"),
        ("[[normal]]", "not a list of classes"),
    ],
)
def test_an_order_that_makes_no_sense(order: str, message: str, tmp_path: Path) -> None:
    classes = tmp_path / "classes.yaml"
    classes.write_text(f"map: {{a: tumour, b: normal}}\norder: {order}\n")
    with pytest.raises(ArgumentError, match=message):
        ClassMap.read(str(classes))


def test_reported_slide_and_its_cells(data: Path) -> None:
    """The cells lie in an annotation that was given no class."""
    folder = data / "reported" / "sets" / "sl"
    class_map = ClassMap.read("background=background,normal stroma=stroma,unclassified=other")
    with open_slide(folder / "s" / "x.svs") as shown:
        laid = plane_at_level(shown, 0)
        labels = PolygonLabels(folder / "a" / "x.geojson", class_map).open(shown, laid)
        found = labels.read(Box(0, 0, 300, 300))
    assert np.bincount(found.ravel()).tolist() == [400, 400, 300 * 300 - 800]

import json
from dataclasses import replace
from pathlib import Path

import pytest

from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.labels import IGNORED
from wsiseg.classes import LabelClass, distinct_colour
from wsiseg.errors import AnnotationError, ArgumentError

WHERE = Path("slide.geojson")


def names(class_map: ClassMap) -> list[str]:
    return [entry.name for entry in class_map.classes]


def write(tmp_path: Path, text: str, name: str = "map.yaml") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_classes_come_in_the_order_in_which_they_are_named() -> None:
    read = ClassMap.read("0=background, 255 = gland ,")
    assert names(read) == ["background", "gland"]
    assert read.targets == {"0": 0, "255": 1}
    assert read.values == {0: "0", 255: "255"}
    assert read.table(read.values, WHERE) == {0: 0, 255: 1}
    assert read.ground == IGNORED
    assert not read.exhaustive
    assert read.classes[1].colour == distinct_colour(1)


def test_keys_that_share_a_class_are_merged() -> None:
    read = ClassMap.read("Tumor=tumor,Stroma=other,In situ=tumor,Fat=other")
    assert names(read) == ["tumor", "other"]
    assert [read.label(key, WHERE) for key in ("Tumor", "In situ", "Fat")] == [0, 0, 1]


def test_what_is_ignored_makes_no_class() -> None:
    read = ClassMap.read("0=ignore,1=tumor,Artefact=ignore")
    assert names(read) == ["tumor"]
    assert read.label("Artefact", WHERE) == IGNORED
    assert read.table({0: "0", 1: "1"}, WHERE) == {0: IGNORED, 1: 0}


def test_what_nobody_drew_on_can_be_a_class() -> None:
    read = ClassMap.read("unannotated=background,Tumor=tumor")
    assert names(read) == ["background", "tumor"]
    assert read.ground == 0
    assert "unannotated" not in read.targets


def test_shapes_without_a_class() -> None:
    assert ClassMap.read("Tumor=tumor,unclassified=ignore").label(None, WHERE) == IGNORED
    assert ClassMap.read("unclassified=tumor").label(None, WHERE) == 0
    assert ClassMap.read("Tumor=tumor").label(None, WHERE) == IGNORED
    strict = replace(ClassMap.read("Tumor=tumor"), strict=True)
    with pytest.raises(AnnotationError, match="unclassified=ignore"):
        strict.label(None, WHERE)


def test_regions_that_are_annotated_exhaustively() -> None:
    read = ClassMap.read("Region=exhaustive,Tumor=tumor,unannotated=stroma")
    assert read.exhaustive
    assert names(read) == ["tumor", "stroma"]
    assert read.label("Region", WHERE) is None
    assert read.ground == 1
    with pytest.raises(AnnotationError, match="a painted mask has no such"):
        read.table({3: "Region"}, WHERE)


@pytest.mark.parametrize(
    "text",
    [
        "Region=exhaustive,Tumor=tumor",
        "Region=exhaustive,Tumor=tumor,unannotated=ignore",
        "Tumor=tumor,unannotated=exhaustive",
    ],
)
def test_exhaustive_regions_need_a_ground(text: str) -> None:
    with pytest.raises(ArgumentError, match="Add unannotated=CLASS"):
        ClassMap.read(text)


def test_an_unknown_name_is_answered_with_one_near_by() -> None:
    read = ClassMap.read("Tumor=tumor,Stroma=stroma")
    with pytest.raises(AnnotationError, match="Did you mean 'Tumor'") as caught:
        read.label("TUMOUR", WHERE)
    assert caught.value.where == WHERE
    with pytest.raises(AnnotationError, match=r"It knows Tumor, Stroma\. xyz=ignore leaves it out"):
        read.label("xyz", WHERE)


@pytest.mark.parametrize("text", ["0", "a=", "=b", "a=b,c", "a=b,=", "a=ignore", "a=b,a=c", ","])
def test_what_is_no_map_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError):
        ClassMap.read(text)


def test_a_map_that_is_too_long_for_a_path() -> None:
    text = ",".join(f"{value}=class {value}" for value in range(255))
    assert len(ClassMap.read(text).classes) == 255
    with pytest.raises(ArgumentError, match="names 256 classes, more than 255"):
        ClassMap.read(f"{text},255=one more")


def test_what_masks_call_pixels_without_a_class_is_none() -> None:
    with pytest.raises(ArgumentError, match="'not analysed' is what masks call") as caught:
        ClassMap.read("0=tumor,1=not analysed")
    assert caught.value.where == "`class_map`"
    assert ClassMap.read("0=tumor,not analysed=ignore").label("not analysed", WHERE) == IGNORED


@pytest.mark.parametrize("name", ["x" * 101, "tumour\x1b[31m", "two\u2028lines", "half\ud800"])
def test_a_name_that_no_checkpoint_may_have_is_refused_before_any_training(name: str) -> None:
    with pytest.raises(ArgumentError, match="cannot be a class"):
        ClassMap.build({"1": name, "2": "stroma"})
    assert names(ClassMap.build({name: "tumour"})) == ["tumour"]


def test_a_map_without_any_class_is_told_how_to_write_one() -> None:
    with pytest.raises(ArgumentError, match=r'names no class .*"0=background,255=gland"'):
        ClassMap.read("0=ignore")
    with pytest.raises(
        ArgumentError, match=r'without = .*255;gland\). Write it like "0=background'
    ):
        ClassMap.read("0:background;255;gland")


def test_only_numbers_that_pixels_can_hold_are_values() -> None:
    pairs = dict.fromkeys(["0", "7", "65535", "65536", "1234567", "07", "-1", "1.5", "٣", "a"], "x")
    assert set(ClassMap.build(pairs).values) == {0, 7, 65535}


@pytest.mark.parametrize("name", ["map.yaml", "map.yml", "map.txt"])
def test_a_yaml_file(tmp_path: Path, name: str) -> None:
    text = "# what was drawn\n0: background\n255: gland\nunannotated: background\n"
    read = ClassMap.read(write(tmp_path, text, name))
    assert read == ClassMap.read("0=background,255=gland,unannotated=background")


def test_a_yaml_file_with_colours(tmp_path: Path) -> None:
    text = 'map:\n  Tumor: tumor\n  Fat: fat\n  "No: 3": fat\ncolours:\n  tumor: "#C80a00"\n'
    read = ClassMap.read(write(tmp_path, text))
    assert read.classes == (
        LabelClass("tumor", (200, 10, 0)),
        LabelClass("fat", distinct_colour(1)),
    )
    assert read.label("No: 3", WHERE) == 1


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_a_json_file(tmp_path: Path, indent: int | str | None) -> None:
    content = {"map": {"0": "background", "Tumör": "tumor"}, "colours": {"tumor": "#ff0000"}}
    text = json.dumps(content, indent=indent)
    read = ClassMap.read(write(tmp_path, text, "map.json"))
    assert read.targets == {"0": 0, "Tumör": 1}
    assert read.classes[1].colour == (255, 0, 0)


def test_yaml_does_not_turn_names_into_something_else(tmp_path: Path) -> None:
    """It would read False, None, 8, 1.5, 10 and a date."""
    text = "No: yes\nnull: 1\n010: off\n1.50: 2.0\n0xA: 2024-01-01\n2024-01-01: On\n"
    read = ClassMap.read(write(tmp_path, text))
    assert list(read.targets) == ["No", "null", "010", "1.50", "0xA", "2024-01-01"]
    assert names(read) == ["yes", "1", "off", "2.0", "2024-01-01", "On"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_bytes("Tumor: tumor\n".encode("utf-8-sig"))
    assert ClassMap.read(str(tmp_path / "map.yaml")).targets == {"Tumor": 0}


def test_a_file_whose_path_looks_like_a_map(tmp_path: Path) -> None:
    (tmp_path / "run=3").mkdir()
    path = write(tmp_path / "run=3", "0: background\n")
    assert names(ClassMap.read(path)) == ["background"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a mapping"),
        ("- 0\n- 1\n", "not a mapping"),
        ("just words", "not a mapping"),
        ("a: [", "cannot be read"),
        ("a: b\n---\nc: d\n", "cannot be read"),
        ("a: x\nb: y\na: z\n", "line 3 gives 'a' a second meaning"),
        ("map:\n  0: x\n  0: y\n", "line 3 gives '0' a second meaning"),
        ("0: x\n1:\n", "'1' in line 2 names no class"),
        ("0: x\n1: null\n", "'1' in line 2 names no class"),
        ("0: x\n1: [y]\n", "'1' in line 2 names no class"),
        ("? [0, 1]\n: x\n", "no name or number as its key"),
        ("0: x\n1: {a: b}\n", "more than keys and classes"),
        ("map: {0: x}\ncolors: {x: '#ffffff'}\n", "more than keys and classes"),
        ("map: {0: x}\ncolours: {x: #ffffff\n}\n", "'x' in line 2 names no class or colour"),
        ("map: {0: x}\ncolours: {x: red}\n", "'red' is not a colour"),
        ("map: {0: gland}\ncolours: {Gland: '#ffffff'}\n", "Did you mean 'gland'"),
        ("map: {0: x}\ncolours: red\n", "not a mapping"),
    ],
)
def test_files_that_are_no_map(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        ClassMap.read(write(tmp_path, text))
    assert caught.value.where == tmp_path / "map.yaml"
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no such file"):
        ClassMap.read(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "latin.yaml").write_bytes("Tumör: tumor".encode("latin-1"))
    with pytest.raises(ArgumentError, match="cannot be read"):
        ClassMap.read(str(tmp_path / "latin.yaml"))

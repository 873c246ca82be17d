"""Small files like those of public bug reports, and what each of them means."""

from pathlib import Path

import numpy as np
import pytest

from drawn import write
from odd_annotations import MADE
from wsiseg.annotations import read_annotations
from wsiseg.annotations.reading import PROGRAMS
from wsiseg.errors import AnnotationError

ELLIPSE = np.pi * 50 * 25

AREAS: dict[str, list[tuple[str | None, float]]] = {
    "asap_dot.xml": [("Tumor", 100)],
    "asap_excl_after.xml": [("_0", 10000), ("_2", 2500)],
    "asap_excl_before.xml": [("_2", 2500), ("_0", 10000)],
    "asap_nested.xml": [("child", 100)],
    "asap_none.xml": [(None, 100)],
    "asap_rect_order.xml": [("Tumor", 100)],
    "bowtie.geojson": [("Tumor", 5000)],
    "cells.geojson": [("Tumor", 400)],
    "childobj.geojson": [("Tumor", 2500), ("Stroma", 100)],
    "clockwise.geojson": [("Tumor", 2500)],
    "fc.geojson": [("Tumor", 10000)],
    "gz.geojson.gz": [("Tumor", 100)],
    "halo_ellipse.annotations": [("Tumor", ELLIPSE)],
    "halo_neg_before.annotations": [("Tumor", 2400)],
    "halo_rect.annotations": [("Tumor", 2000)],
    "halo_ruler.annotations": [("Tumor", 100)],
    "hole_first_outside.geojson": [("Tumor", 2900)],
    "hole_touch.geojson": [("Tumor", 7500)],
    "is_arrow_ruler.xml": [("Tumor", 100)],
    "is_ellipse2.xml": [("Tumor", ELLIPSE)],
    "is_ellipse4.xml": [("Tumor", ELLIPSE)],
    "is_ellipse_mid.xml": [("Tumor", ELLIPSE)],
    "is_neg.xml": [("Tumor", 9900)],
    "is_rect.xml": [("Tumor", 5000)],
    "list.json": [("Tumor", 10000)],
    "mixed_dim.geojson": [("Tumor", 2500)],
    "multipoly_nested.geojson": [("Tumor", 7200)],
    "names_list.geojson": [("Tumor: Positive", 100)],
    "ndjson.geojson": [("Tumor", 100), ("Stroma", 100)],
    "neg.geojson": [("Tumor", 2500)],
    "null_class.geojson": [(None, 100), ("Tumor", 100)],
    "null_geom.geojson": [("Tumor", 100)],
    "null_props.geojson": [(None, 100)],
    "points.geojson": [("Stroma", 100)],
    "props_label.geojson": [(None, 100)],
    "props_name.geojson": [(None, 100)],
    "root_tma.geojson": [(None, 350000), ("Tumor", 100)],
    "space_class.geojson": [("Tumor", 100)],
    "strcoord.geojson": [("Tumor", 1250)],
    "string_class_dict.geojson": [("Tumor", 100)],
    "string_class_json.geojson": [("Tumor", 100)],
    "tiny.geojson": [("Tumor", 0.09), ("Stroma", 0.04)],
    "utf16.geojson": [("Tumor", 100)],
    "utf16be.geojson": [("Tumor", 100)],
    "utf8bom.geojson": [("Tumor", 100)],
    "with_z.geojson": [("Tumor", 2500)],
    "x_bom.xml": [("Tumor", 100)],
    "x_decl16_but8.xml": [("Tumor", 100)],
    "x_latin1.xml": [("Tumör", 100)],
    "x_utf16.xml": [("Tumor", 100)],
}


@pytest.mark.parametrize("name", list(AREAS))
def test_reported_files_mean_what_was_drawn(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(MADE[name]())
    check_annotations(tmp_path / name)


def check_annotations(path: Path) -> None:
    name, found = path.name, read_annotations(path).annotations
    assert [each.name for each in found] == [drawn for drawn, _ in AREAS[name]]
    areas = [each.geometry.area for each in found]
    # Chords miss an ellipse by a tenth of a pixel.
    assert areas == pytest.approx([area for _, area in AREAS[name]], rel=4e-3)


UNDECLARED = "x_latin1_undeclared.xml"


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / UNDECLARED).write_bytes(MADE[UNDECLARED]())
    with pytest.raises(AnnotationError, match="byte 65 is no UTF-8, and no other encoding"):
        read_annotations(tmp_path / UNDECLARED)
    assert MADE.keys() == {*AREAS, UNDECLARED}


def test_the_files_that_were_sent_mean_the_same(data: Path) -> None:
    folder = data / "reported" / "ann"
    with pytest.raises(AnnotationError, match="byte 65 is no UTF-8, and no other encoding"):
        read_annotations(folder / UNDECLARED)
    assert {path.name for path in folder.iterdir()} == {*AREAS, UNDECLARED}
    for name in AREAS:
        check_annotations(folder / name)


SQUARE = '{"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]]}'


def qupath(classification: str, more: str = "") -> str:
    return (
        '{"type": "Feature", "properties": {"objectType": "annotation", '
        f'"classification": {classification}{more}}}, "geometry": {SQUARE}}}'
    )


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"Tumor"', "Tumor"),
        ('" Tumor "', "Tumor"),
        ('""', None),
        ("null", None),
        ('{"name": "Tumor", "color": [1, 2, 3]}', "Tumor"),
        (r'"{\"name\": \"Tumor\", \"color\": [1, 2, 3]}"', "Tumor"),
        (r'"{\"names\": [\"Tumor\", \"Positive\"]}"', "Tumor: Positive"),
        (r'"{\"name\": null}"', None),
        ("\"{'name': 'Tumor', 'colorRGB': -377282}\"", "Tumor"),
        ("\"{'name': None}\"", None),
        ("\"{'names': ('Tumor', 'Positive')}\"", None),
        (r'"[\"Tumor\", \"Positive\"]"', "Tumor: Positive"),
        ('["Tumor", "Positive"]', "Tumor: Positive"),
        ('"{grade 3}"', "{grade 3}"),
        ('"[3]"', "3"),
    ],
)
def test_a_class_is_read_however_it_was_written(
    written: str, name: str | None, tmp_path: Path
) -> None:
    (annotation,) = read_annotations(write(tmp_path, qupath(written))).annotations
    assert annotation.name == name


def test_the_colour_comes_with_a_class_that_is_text(tmp_path: Path) -> None:
    path = write(tmp_path, qupath(r'"{\"name\": \"a\", \"color\": [1, 2, 3]}"'))
    assert read_annotations(path).annotations[0].colour == (1, 2, 3)


def test_children_may_be_text_as_well(tmp_path: Path) -> None:
    child = qupath('"inner"').replace('"', r"\"")
    path = write(tmp_path, qupath('"outer"', f', "childObjects": "[{child}]"'))
    assert [each.name for each in read_annotations(path).annotations] == ["outer", "inner"]


def test_children_follow_their_parents_however_deep(tmp_path: Path) -> None:
    text = qupath('"last"')
    for depth in range(40):
        text = qupath(
            f'"{depth}"', f', "childObjects": [{text}, {qupath(chr(34) + "x" + chr(34))}]'
        )
    found = [each.name for each in read_annotations(write(tmp_path, text)).annotations]
    assert found == [*map(str, range(39, -1, -1)), "last", *["x"] * 40]


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\x1e", " ", "\n\n"])
def test_several_documents_are_one_file(separator: str, tmp_path: Path) -> None:
    text = separator.join(qupath(f'"{name}"') for name in "abc") + "\n"
    assert [each.name for each in read_annotations(write(tmp_path, text)).annotations] == [*"abc"]


def test_several_collections_are_one_file(tmp_path: Path) -> None:
    text = "\n".join(
        f'{{"type": "FeatureCollection", "features": [{qupath(chr(34) + name + chr(34))}]}}'
        for name in "ab"
    )
    assert [each.name for each in read_annotations(write(tmp_path, text)).annotations] == [*"ab"]


@pytest.mark.parametrize("rest", ["x", "[", "3", "]", "{}x"])
def test_what_follows_a_document_must_be_one(rest: str, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="neither GeoJSON nor XML"):
        read_annotations(write(tmp_path, f"{SQUARE}\n{rest}"))


REGION = (
    '<Annotations><Annotation Name="{name}"><Regions><Region Type="0"><Vertices>'
    '<Vertex X="0" Y="0"/><Vertex X="9" Y="0"/><Vertex X="9" Y="9"/></Vertices></Region></Regions>'
    "</Annotation></Annotations>"
)


@pytest.mark.parametrize(
    ("declared", "encoding", "name"),
    [
        ("utf-8", "utf-8", "Tumör"),
        ("UTF-8", "utf-8-sig", "Tumör"),
        ("utf-16", "utf-8", "Tumör"),
        ("utf-16", "utf-16", "腫瘍"),
        ("UTF-16LE", "utf-16-le", "腫瘍"),
        ("utf-8", "utf-16-be", "腫瘍"),
        ("ISO-8859-1", "latin-1", "Tumör"),
        ("windows-1252", "cp1252", "Tumör"),
        ("windows-1251", "cp1251", "опухоль"),
        ("Shift_JIS", "shift_jis", "腫瘍"),
        ("GB2312", "gb2312", "肿瘤"),
    ],
)
def test_xml_is_read_in_what_it_declares(
    declared: str, encoding: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "drawn.xml"
    text = f'<?xml version="1.0" encoding="{declared}"?>\n{REGION.format(name=name)}'
    path.write_bytes(text.encode(encoding))
    assert read_annotations(path).annotations[0].name == name


def test_every_program_is_named_where_none_knows_a_file(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError) as caught:
        read_annotations(write(tmp_path, '<?xml version="1.0" encoding="rot13"?><a/>'))
    assert "rot-13 is not understood" in str(caught.value)
    assert all(program in str(caught.value) for program in PROGRAMS)

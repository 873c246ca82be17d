import contextlib
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drawn import (
    SQUARE,
    TRIANGLE,
    asap,
    collection,
    feature,
    halo,
    imagescope,
    in_asap,
    in_halo,
    in_qupath,
    layer,
    region,
    write,
)
from wsiseg.annotations import read_annotations
from wsiseg.annotations.reading import PROGRAMS
from wsiseg.errors import AnnotationError

SAMPLES = {
    "QuPath": json.dumps(collection(in_qupath(SQUARE, "ä"))),
    "GeoJSON": json.dumps(collection(feature(SQUARE))),
    "ASAP": asap(in_asap(SQUARE, group="ä")),
    "HALO": halo(("ä", [in_halo(SQUARE)])),
    "ImageScope": imagescope(layer([region(SQUARE)], "ä")),
}


def encodings(text: str) -> dict[str, bytes]:
    return {
        "plain": text.encode(),
        "blank lines before": b"\n  " + text.removeprefix('<?xml version="1.0"?>').encode(),
        "byte order mark": text.encode("utf-8-sig"),
        "16 bits": text.encode("utf-16"),
        "gzipped": gzip.compress(text.encode()),
        "byte order mark, gzipped": gzip.compress(text.encode("utf-8-sig")),
    }


@pytest.mark.parametrize("program", list(PROGRAMS))
@pytest.mark.parametrize("encoding", list(encodings("")))
@pytest.mark.parametrize("name", ["drawn.xml", "drawn.geojson.gz"])
def test_the_content_tells_what_a_file_is(
    program: str, encoding: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(encodings(SAMPLES[program])[encoding])
    file = read_annotations(path)
    (annotation,) = file.annotations
    assert file.path == path
    assert annotation.geometry.equals(SQUARE)
    assert annotation.name == (None if program == "GeoJSON" else "ä")
    assert file.origin == PROGRAMS[program].origin


BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha">
<!ENTITY c "&b;&b;&b;&b;&b;&b;">]><Annotations>&c;</Annotations>"""

OUTER_ENTITY = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>
<Annotations>&b;</Annotations>"""

NO_X = '<Region Type="0"><Vertices><Vertex Y="1"/></Vertices></Region>'
NO_NUMBER = '<Region Type="0"><Vertices><Vertex X="a" Y="1"/></Vertices></Region>'
NAN = '<Region Type="Polygon"><Vertices><V X="nan" Y="1"/></Vertices></Region>'
DEEP = '{"type": "GeometryCollection", "geometries": [' * 400 + "]}" * 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("no regions", "neither GeoJSON nor XML"),
        ("7", "neither GeoJSON nor XML"),
        ("null", "neither GeoJSON nor XML"),
        ('"text"', "neither GeoJSON nor XML"),
        ('{"type": "Feature"', "neither GeoJSON nor XML"),
        ('{"annotations": []}', "neither GeoJSON nor XML"),
        ("[" * 100_000, "neither GeoJSON nor XML"),
        ("<a>" * 100_000, "neither GeoJSON nor XML"),
        ("<Annotations><Annotation>", "neither GeoJSON nor XML"),
        ("<html></html>", "neither GeoJSON nor XML"),
        (BOMB, "neither GeoJSON nor XML"),
        (OUTER_ENTITY, "neither GeoJSON nor XML"),
        ("[1, 2]", "GeoJSON file cannot be used: a feature is not an object"),
        ('{"type": "FeatureCollection", "features": {}}', "its features are not a list"),
        ('{"type": "FeatureCollection"}', "a FeatureCollection has no coordinates"),
        (
            '[{"type": "Nonsense", "coordinates": [[[1, 2]]]}]',
            "'Nonsense' is not a kind of geometry",
        ),
        ('[{"type": ["x"], "coordinates": [[[1, 2]]]}]', "is not a kind of geometry"),
        ('{"type": "Polygon"}', "a Polygon has no coordinates"),
        ('{"type": "Polygon", "coordinates": 3}', "cannot be used"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3, "x"], [5, 6]]]}', "cannot be used"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3], [5, 6], [1, 2]]]}', "cannot be used"),
        (
            '{"type": "Polygon", "coordinates": [["12", "34", "56"]]}',
            "a ring is not a list of points",
        ),
        (f'{{"type": "Polygon", "coordinates": [[[1{"0" * 400}, 1]]]}}', "cannot be used"),
        ('{"type": "GeometryCollection"}', "'geometries' is missing"),
        (imagescope(layer([NO_X])), "ImageScope file cannot be used: a corner has no X"),
        (imagescope(layer([NO_NUMBER])), "could not convert"),
        (halo(("a", [NAN])), "annotation 1 (a) has a coordinate that is not a number"),
        ("[]", "). Draw something, and save or export it once more."),
        ('{"type": "FeatureCollection", "features": []}', "the file holds no annotation"),
        ('{"type": "Point", "coordinates": [1, 2]}', "1 point was left out: it has no area."),
        ('{"type": "Polygon", "coordinates": []}', "fewer than three corners and was left out."),
        ("<Annotations></Annotations>", "the file holds no annotation"),
        (asap(), "the file holds no annotation"),
        (DEEP, "the file holds no annotation"),
        (imagescope(layer([region(SQUARE, negative=True)])), "excludes nothing on its layer."),
    ],
    ids=lambda value: value[:40] if len(value) < 2000 else "long",
)
def test_what_cannot_be_used_is_refused_in_one_line(
    content: str, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(AnnotationError) as caught:
        read_annotations(path)
    line = str(caught.value)
    assert message in line
    assert str(path) in line
    assert "\n" not in line
    assert len(line) < 600


@pytest.mark.parametrize(
    "content",
    [b"\x1f\x8bnot gzip", gzip.compress(b"[]" * 999, mtime=0)[:-20], b"\xff", b"\x00" * 40],
)
def test_damaged_bytes_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "drawn").write_bytes(content)
    with pytest.raises(AnnotationError):
        read_annotations(tmp_path / "drawn")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(AnnotationError, match="the annotations cannot be read") as caught:
            read_annotations(path)
        assert caught.value.where == path


def test_files_of_other_programs_are_refused(data: Path) -> None:
    with pytest.raises(AnnotationError, match=r"Known are QuPath, .*ImageScope"):
        read_annotations(data / "annotations" / "dlup" / "103S.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["Polygon", "Feature", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "features",
                    "geometry",
                    "coordinates",
                    "geometries",
                    "properties",
                    "classification",
                    "childObjects",
                    "names",
                    "color",
                ]
            ),
            inner,
        )
    ),
)


@given(json_values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_json_breaks_the_reader(tmp_path: Path, content: Any) -> None:
    path = write(tmp_path, content)
    try:
        file = read_annotations(path)
    except AnnotationError:
        return
    assert all(annotation.geometry.area > 0 for annotation in file.annotations)


@given(
    st.sets(st.sampled_from(["X", "Y", "Order", "Type", "PartOfGroup", "NegativeROA"]), max_size=3),
    st.sampled_from(["", "0", "1", "2", "Polygon", "Ellipse", "Rectangle", "nan", "é", "1,5"]),
    st.sampled_from(["Vertex", "V", "Coordinate"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_attribute_breaks_the_reader(
    tmp_path: Path, names: set[str], value: str, tag: str
) -> None:
    attributes = " ".join(f'{name}="{value}"' for name in names)
    points = f"<{tag} {attributes}/>" * 4
    for text in (
        imagescope(f"<Annotation {attributes}><Region {attributes}>{points}</Region></Annotation>"),
        asap(f"<Annotation {attributes}>{points}</Annotation>", in_asap(TRIANGLE)),
    ):
        with contextlib.suppress(AnnotationError):
            assert read_annotations(write(tmp_path, text)).annotations


def test_reading_a_file_loads_neither_torch_nor_lightning(tmp_path: Path) -> None:
    shape = {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "Feature", "geometry": shape, "properties": {}}))
    code = (
        "import sys; from pathlib import Path; from wsiseg.annotations import read_annotations\n"
        f"print(len(read_annotations(Path({str(path)!r})).annotations))\n"
        "print([name for name in ('torch', 'lightning') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["1", "[]"]

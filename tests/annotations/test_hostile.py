"""Files that were made to bring a reader down: each ends in a line, within bounds."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

_SECONDS = 20


def bomb(path: Path, sign: bytes = b" ") -> None:
    """Write 8.5 GB in some megabytes."""
    path.write_bytes(gzip.compress(sign * (1 << 24), 6) * 510)


def star(corners: int) -> list[list[float]]:
    """Return a star of which every edge crosses nearly every other."""
    angles = 2 * np.pi * (corners // 2) * np.arange(corners + 1) / corners
    ring = np.column_stack([5000 + 4000 * np.cos(angles), 5000 + 4000 * np.sin(angles)])
    return ring.tolist()


def comb(teeth: int) -> list[list[float]]:
    """Return a valid outline of slanted teeth, whose edges all lie side by side."""
    foot = 10.0 * np.arange(teeth)
    ring = np.empty((2 * teeth, 2))
    ring[0::2] = np.column_stack([foot, np.zeros(teeth)])
    ring[1::2] = np.column_stack([foot + 10 * teeth + 5, np.full(teeth, 10.0 * teeth)])
    return [*ring.tolist(), [20.0 * teeth + 10, -50], [-50, -50], [0, 0]]


def outline(corners: int) -> list[list[float]]:
    angles = np.linspace(0, 2 * np.pi, corners)
    ring = 20000 + 9000 * np.column_stack([np.cos(angles), np.sin(angles)])
    return np.round(ring, 2).tolist()


def polygon(ring: object) -> str:
    return json.dumps({"type": "Polygon", "coordinates": [ring]})


SQUARE = [[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]
NESTED = '{"type": "GeometryCollection", "geometries": ['
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
ENTITIES = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "ha"}">' for i in range(12))


def in_asap(attribute: str) -> str:
    return (
        '<ASAP_Annotations><Annotations><Annotation Type="Polygon"><Coordinates>'
        f'<Coordinate X="1" Y="{attribute}"/></Coordinates></Annotation></Annotations>'
        "</ASAP_Annotations>"
    )


def in_imagescope(rings: list[list[list[float]]], *, negative: bool) -> str:
    return "".join(
        f'<Region Type="0" NegativeROA="{int(negative)}"><Vertices>'
        + "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in ring)
        + "</Vertices></Region>"
        for ring in rings
    )


def needles(count: int) -> list[list[list[float]]]:
    """Return thin triangles, each of which crosses all others."""
    angles = np.linspace(0, np.pi, count, endpoint=False)
    along = np.column_stack([np.cos(angles), np.sin(angles)])
    aside = np.column_stack([-along[:, 1], along[:, 0]]) * 1e-3
    ends = 5000 + 4000 * np.stack([-along - aside, along, -along + aside], 1)
    return ends.tolist()


def layer_of(kept: list[list[list[float]]], excluded: list[list[list[float]]]) -> str:
    regions = in_imagescope(kept, negative=False) + in_imagescope(excluded, negative=True)
    return (
        f'<Annotations><Annotation Name="a"><Regions>{regions}</Regions></Annotation></Annotations>'
    )


FRAME = [[0.0, 0.0], [9999.0, 0.0], [9999.0, 9999.0], [0.0, 9999.0]]

MAKERS: dict[str, Callable[[Path], None] | str] = {
    "blanks.geojson.gz": bomb,
    "brackets.geojson.gz": lambda path: bomb(path, b"["),
    "star.geojson": polygon(star(3001)),
    "large-star.geojson": polygon(star(100_001)),
    "comb.geojson": polygon(comb(50_000)),
    "traced.geojson": polygon(star(5) * 3000),
    "deep.json": "[" * 100_000 + "]" * 100_000,
    "deep-object.json": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "deep-collection.json": NESTED * 100_000 + "]}" * 100_000,
    "deep.xml": "<a>" * 1_000_000 + "</a>" * 1_000_000,
    "lists.json": "[" + "[]," * 30_000_000 + "[]]",
    "elements.xml": "<a>" + "<b/>" * 30_000_000 + "</a>",
    "attributes.xml": "<a " + " ".join(f'a{i}="1"' for i in range(300_000)) + "/>",
    "entities.xml": f"<!DOCTYPE a [{ENTITIES}]><a>&e11;</a>",
    "punycode.xml": '<?xml version="1.0" encoding="punycode"?><a>' + "x-" * 500_000 + "</a>",
    "digits.json": polygon(SQUARE).replace("9", "9" * 100_000, 1),
    "huge.json": polygon([[0, 0], [1e308, 0], [1e308, 1e308], [0, 0]]),
    "infinite.json": polygon([[0, 0], [float("inf"), 0], [1, 1], [0, 0]]),
    "nan.json": polygon([[0, 0], [float("nan"), 0], [1, 1], [0, 0]]),
    "infinite.xml": in_asap("1e999"),
    "number.xml": in_asap("9" * 1_000_000 + "x"),
    "dict.json": json.dumps(
        {"type": "Feature", "properties": {"classification": "{" + "-" * 9000}, "geometry": None}
    ),
    "needles.xml": layer_of([FRAME], needles(2000)),
    "crossing-needles.xml": layer_of(needles(3000)[::2], needles(3000)[1::2]),
    "deep.yaml": "[" * 100_000,
    "deeper.yaml": "".join(f"{' ' * i}a{i}:\n" for i in range(600)) + " " * 600 + "b",
    "laughs.yaml": LAUGHS,
    "long.yaml": "".join(f"k{i}: c\n" for i in range(1_000_000)),
    "binary.yaml": "a: \ud800",
    "laughs.config": LAUGHS,
    "deep.config": "a: " + "[" * 100_000,
    "date.config": "a: 2024-99-99",
    "list.config": "- a",
    "long.config": "a" * 10_000_000,
}


def run(paths: list[Path]) -> Iterator[tuple[str, object]]:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("hostile.py"), *paths],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS * len(paths),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for line in done.stdout.splitlines():
        name, told = json.loads(line)
        yield name, told


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("hostile")
    paths = []
    for name, make in MAKERS.items():
        path = folder / name
        if callable(make):
            make(path)
        else:
            path.write_bytes(make.encode("utf-8", "surrogatepass"))
        paths.append(path)
    return dict(run(paths))


@pytest.mark.parametrize("name", list(MAKERS))
def test_every_hostile_file_ends_in_a_line(name: str, told: dict[str, object]) -> None:
    message = told[name]
    assert isinstance(message, str)
    assert message.startswith(("AnnotationError: ", "ArgumentError: ", "DataSetError: "))
    assert len(message) < 800
    assert "\n" not in message


def test_many_corners_and_many_shapes_are_no_attack(tmp_path: Path) -> None:
    (tmp_path / "outline.geojson").write_text(polygon(outline(100_000)))
    crossing = outline(20_000)
    for place in range(100, 20_000, 1000):
        crossing[place], crossing[place + 3] = crossing[place + 3], crossing[place]
    (tmp_path / "crossing.geojson").write_text(polygon(crossing))
    bow = [[0, 0], [9, 9], [9, 0], [0, 9], [0, 0]]
    (tmp_path / "cells.json").write_text(f"[{','.join([polygon(bow)] * 5_000)}]")
    found = dict(run(sorted(tmp_path.iterdir())))
    assert found == {"outline.geojson": 1, "crossing.geojson": 1, "cells.json": 5_000}

"""Names that mean harm, of slides and classes, stay names wherever they come to."""

import contextlib
import csv
import html.parser
import io
import json
import re
import unicodedata
from pathlib import Path
from xml.etree.ElementTree import fromstring
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image
from pydantic import ValidationError

from commands import run
from drawn import SQUARE, asap, in_asap, in_qupath
from security.hostile_names import FORMULAS, MARKUP, NAMES, SHELL, TERMINAL
from tiny import named_checkpoint
from wsiseg.annotations import read_annotations
from wsiseg.annotations.class_map import ClassMap
from wsiseg.classes import check_class_name
from wsiseg.cli.printing import Terminal, echo
from wsiseg.csv_tables import to_csv
from wsiseg.errors import WsisegError
from wsiseg.models.card import ClassEntry

BEGINS_FORMULA = ("=", "+", "-", "@", "＝", "\t", "\r")


def short(name: str) -> str:
    return ascii(name)[:30]


def steers(text: str) -> bool:
    """Tell whether a text could steer a terminal, or hide what it says."""
    odd = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return any(unicodedata.category(c) in odd for c in text if c != "\n")


def fits_class(name: str) -> bool:
    try:
        return bool(check_class_name(name))
    except ValueError:
        return False


def listed(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_there_are_fifty_of_them():
    assert len(set(NAMES)) == len(NAMES) >= 50


@pytest.mark.parametrize("name", NAMES, ids=short)
def test_a_name_is_printed_as_one_line_that_steers_nothing(name, capsys):
    echo(name)
    Terminal().echo(name)
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert text.count("\n") == 1
        assert not steers(text)
    # Markup is no markup.
    assert name not in MARKUP or said.err == f"{name}\n"


@pytest.mark.parametrize("name", NAMES, ids=short)
def test_a_name_is_a_cell_and_no_formula(name):
    ((cell, beside),) = csv.reader(io.StringIO(to_csv([name, "x"], []), newline=""))
    assert beside == "x"
    assert not cell.lstrip().startswith(BEGINS_FORMULA)
    assert not steers(cell)


def test_a_checkpoint_has_no_class_of_a_name_that_steers():
    for name in TERMINAL:
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            with pytest.raises(ValidationError):
                ClassEntry(name=name, colour=(0, 0, 0))


@pytest.mark.parametrize("name", [name for name in NAMES if name.isprintable()], ids=short)
def test_a_name_in_annotations_and_class_maps_is_a_name(name, tmp_path):
    geojson, xml = tmp_path / "drawn.geojson", tmp_path / "drawn.xml"
    geojson.write_text(json.dumps(in_qupath(SQUARE, name)))
    group = quoteattr(name)[1:-1]
    xml.write_text(asap(in_asap(SQUARE, group=group.replace('"', "&quot;"))))
    (tmp_path / "map.yaml").write_text(yaml.safe_dump({name: 1}))
    for path in (geojson, xml):
        (annotation,) = read_annotations(path).annotations
        assert annotation.name == name
    # A map takes it, or says in a line why not.
    said = ""
    try:
        ClassMap.read(str(tmp_path / "map.yaml"))
    except WsisegError as error:
        said = str(error)
    assert not steers(said)
    assert listed(tmp_path) == {"drawn.geojson", "drawn.xml", "map.yaml"}


class Page(html.parser.HTMLParser):
    """What a page holds: its elements, and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.scripts = ""
        self._last = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self._last = tag
        self.attributes += [(name, value or "") for name, value in attributes]

    def handle_endtag(self, tag):
        self._last = ""

    def handle_data(self, text):
        self.scripts += text if self._last == "script" else ""


@pytest.fixture(scope="module")
def segmented(tmp_path_factory):
    """Segment slides of such names with a network whose classes have all the others."""
    folder = tmp_path_factory.mktemp("names")
    given, here, out = folder / "in", folder / "cwd", folder / "out"
    given.mkdir()
    here.mkdir()
    names = [name for name in NAMES if fits_class(name)]
    checkpoint = named_checkpoint(names, mpp=0.5).save(folder / "named.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    slides = []
    for name in (FORMULAS[1], MARKUP[1], TERMINAL[0] + TERMINAL[9], f"-rf {SHELL[0]}"):
        slides.append(given / f"{name.replace('/', '')}.png")
        Image.fromarray(pixels).save(slides[-1])
    with contextlib.chdir(here):
        words = ("-c", checkpoint, "--level", 0, "--slide-mpp", 0.5, "--tissue", "none")
        outcome = run("segment", given, "-o", out, *words, "--runtime", "torch", "--threads", 1)
        assert outcome.status == 0, outcome.err
        report = run("report", out)
        assert report.status == 0, report.err
        mask = out / f"{slides[0].stem}.ome.zarr"
        made = folder / "made"
        made.mkdir()
        for to, name in (("geojson", "a.geojson"), ("ome-tiff", "a.ome.tiff"), ("png", "a.png")):
            written = run("export", mask, "--to", to, "-o", made / name)
            assert written.status == 0, written.err
        measured = run("measure", mask, "-o", made / "a.csv")
        assert measured.status == 0, measured.err
    assert not listed(here)
    assert listed(folder) >= {"named.safetensors", "in", "cwd", "out", "made"}
    assert {path.name for path in folder.iterdir()} == {
        *("named.safetensors", "in", "cwd", "out", "made")
    }
    return folder, names, slides, [outcome, report, written, measured]


def test_nothing_that_was_said_steers_a_terminal(segmented):
    for outcome in segmented[3]:
        assert not steers(outcome.out + outcome.err)


def test_the_output_folder_holds_the_files_of_the_slides_alone(segmented):
    folder, _, slides, _ = segmented
    endings = (".ome.zarr", ".run.json", ".tiles.csv", ".report.html")
    wanted = {path.stem + ending for path in slides for ending in endings}
    assert {path.name for path in (folder / "out").iterdir()} == wanted | {
        *("batch.json", "cohort.csv", "report.html")
    }


def test_pages_hold_no_element_that_a_name_has_brought(segmented):
    folder, _, _, _ = segmented
    for page in (folder / "out").glob("*.html"):
        text = page.read_text()
        found = Page(text)
        assert not found.tags & {"evil", "iframe", "object", "embed"}
        assert "alert" not in found.scripts
        assert not any(name.startswith("on") for name, _ in found.attributes)
        targets = [value for name, value in found.attributes if name in ("href", "src")]
        assert not any(re.match(r"\s*(javascript|https?):", value) for value in targets)
        assert not steers(re.sub(r"[\n\t]", "", text))


def test_tables_hold_no_formula(segmented):
    folder, _, _, _ = segmented
    tables = [*(folder / "out").glob("*.csv"), folder / "made" / "a.csv"]
    for table in tables:
        text = table.read_text("utf-8-sig")
        for row in csv.reader(io.StringIO(text, newline="")):
            for cell in row:
                assert not cell.lstrip().startswith(BEGINS_FORMULA) or _is_number(cell), cell
                assert not steers(cell)


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", cell) is not None


def test_exports_hold_the_names_as_text(segmented):
    folder, names, _, _ = segmented
    features = json.loads((folder / "made" / "a.geojson").read_text())["features"]
    found = {each["properties"]["classification"]["name"] for each in features}
    assert found
    assert found <= set(names)
    with tifffile.TiffFile(folder / "made" / "a.ome.tiff") as file:
        described = fromstring(file.ome_metadata or "")
    kept = {each.text for each in described.iter() if each.tag.endswith("}M")}
    assert kept >= {name for name in names if name in MARKUP}
    assert not [each for each in described.iter() if "evil" in each.tag]

"""What all exports share: one file or none, one line for what cannot be, every format alike."""

import json
import shutil
from typing import get_type_hints

import numpy as np
import pytest
from pydantic import TypeAdapter

import wsiseg
from commands import run
from dicom_slide import write_dicom_slide
from stored_masks import write_mask
from wsiseg.errors import ArgumentError, OutputExistsError, WsisegError
from wsiseg.exports.format import ExportFormat
from wsiseg.exports.formats import FORMATS
from wsiseg.exports.keywords import ExportKeywords

LABELS = np.zeros((600, 40), np.uint8)
LABELS[3:9, 4:20] = 1


@pytest.fixture(scope="module")
def mask(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mask")
    write_dicom_slide(folder / "slide", np.full((*LABELS.shape, 3), 200, np.uint8))
    return write_mask(folder, LABELS, slide="slide")


@pytest.fixture(params=list(FORMATS))
def form(request):
    return request.param


def name_of(form):
    return f"a{FORMATS[form].suffixes[0]}"


def test_every_entry_is_a_format(form):
    entry = FORMATS[form]
    assert isinstance(entry, ExportFormat)
    assert entry.title
    assert entry.suffixes
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in entry.suffixes)


def test_the_typed_keywords_are_the_settings_of_all_formats():
    hints = get_type_hints(ExportKeywords)
    fields = {n: f for form in FORMATS.values() for n, f in form.options.model_fields.items()}
    assert hints.keys() == fields.keys()
    for name, field in fields.items():
        assert TypeAdapter(hints[name]).validate_python(field.default) == field.default, name


def test_the_command_and_python_write_the_same(mask, tmp_path, form):
    one, other = tmp_path / f"one-{name_of(form)}", tmp_path / f"other-{name_of(form)}"
    outcome = run("export", mask, "--to", form, "-o", one, "--classes", "gland", "--json")
    assert outcome.status == 0, outcome.err
    content = json.loads(outcome.out)
    result = wsiseg.export(mask, form, other, classes=["gland"])
    assert one.read_bytes() == other.read_bytes()
    assert content["output"] == str(one)
    assert content["bytes"] == result.bytes == one.stat().st_size
    assert content.get("features") == result.features
    assert content["warnings"] == []


def test_an_existing_file_is_replaced_only_if_that_is_wanted(mask, tmp_path, form):
    output = tmp_path / name_of(form)
    output.write_text("mine")
    outcome = run("export", mask, "--to", form, "-o", output)
    assert outcome.status == 1
    assert outcome.err.splitlines() == [
        f"error: the output already exists ({output}). --overwrite replaces it."
    ]
    with pytest.raises(OutputExistsError):
        wsiseg.export(mask, form, output)
    assert output.read_text() == "mine"
    assert run("export", mask, "--to", form, "-o", output, "--overwrite").status == 0
    assert output.read_bytes() != b"mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("before", [None, "mine"])
def test_what_is_stopped_leaves_no_half_file(mask, tmp_path, form, error, before):
    output = tmp_path / name_of(form)
    if before is not None:
        output.write_text(before)

    def stop(share):
        raise error

    with pytest.raises((error, WsisegError)):
        wsiseg.export(mask, form, output, overwrite=True, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ([] if before is None else [output.name])
    assert before is None or output.read_text() == before


def test_progress_comes_to_its_end(mask, tmp_path, form):
    heard = []
    wsiseg.export(mask, form, tmp_path / name_of(form), progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_a_store_with_the_image_around_the_mask_is_the_same(mask, tmp_path, form):
    around = tmp_path / "around.ome.zarr"
    shutil.copytree(mask, around / "labels" / "segmentation")
    for group in (around, around / "labels"):
        (group / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    files = []
    has_slide = "slide" in FORMATS[form].options.model_fields
    options = {"slide": mask.with_name("slide")} if has_slide else {}
    for number, store in enumerate((mask, around, around / "labels" / "segmentation")):
        output = tmp_path / f"{number}{name_of(form)}"
        wsiseg.export(store, form, output, **options)
        files.append(output.read_bytes())
    assert files[0] == files[1] == files[2]


def unfinished(folder):
    return write_mask(folder, LABELS, finish=False)


def folder_of_masks(folder):
    return write_mask(folder, LABELS).parent


def damaged(folder):
    path = write_mask(folder, LABELS)
    (path / "0" / "c" / "0" / "0").write_bytes(b"damaged")
    return path


def text(folder):
    (folder / "a.ome.zarr").write_text("no store")
    return folder / "a.ome.zarr"


def probabilities(folder):
    write_mask(folder, LABELS, probabilities=np.zeros((3, *LABELS.shape), np.uint8))
    return folder / "a.probabilities.ome.zarr"


def uncertainty(folder):
    path = probabilities(folder)
    return path.rename(path.with_name("a.uncertainty.ome.zarr"))


def renamed(folder):
    path = probabilities(folder)
    return path.rename(path.with_name("b.ome.zarr"))


def misplaced(folder):
    path = write_mask(folder, LABELS)
    content = json.loads((path / "zarr.json").read_text())
    content["attributes"]["wsiseg"]["slide_scale"] = "wide"
    (path / "zarr.json").write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda folder: folder / "none.ome.zarr", "there is no such mask"),
        (lambda folder: folder, "a folder is not a mask"),
        (folder_of_masks, "a folder is not a mask; masks are stores, NAME.ome.zarr"),
        (text, "a file is not a mask"),
        (unfinished, "the mask is unfinished"),
        (damaged, "the store's pixels cannot be read"),
        (probabilities, "these are probabilities, not a mask"),
        (uncertainty, "this is uncertainty, not a mask"),
        (renamed, "the store holds probabilities, not labels"),
        (misplaced, "the store does not tell where the mask lies"),
    ],
)
def test_what_is_no_finished_mask_is_refused_in_a_line(tmp_path, make, what):
    (tmp_path / "in").mkdir()
    path = make(tmp_path / "in")
    outcome = run("export", path, "--to", "geojson", "-o", tmp_path / "a.geojson")
    assert outcome.status == 1
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"error: {what}")
    assert str(tmp_path) in line
    assert not (tmp_path / "a.geojson").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--to geojsn -o a.geojson", "there is no export 'geojsn' (--to). Did you mean geojson?"),
        (
            "--to geojson -o a.txt",
            "the name of geojson files must end with .geojson or .geojson.gz",
        ),
        ("--to geojson -o a.geojson --classes glnd", "the mask has no class 'glnd' (--classes)"),
        ("--to geojson -o a.geojson --simplify 2", "'2' is not a length"),
        ("--to geojson -o a.geojson --simplify 2um2", "'2um2' is not a length"),
        ("--to geojson -o a.geojson --min-area 20um", "'20um' is not an area"),
        ("--to geojson -o a.geojson --min-area 0um2", "0um2 is too small (--min-area)"),
        ("--to geojson -o a.geojson --objects cells", "'cells' is not one of the choices"),
        ("--to geojson -o a.geojson --measurements size", "'size' is not one of the choices"),
    ],
)
def test_wrong_usage_is_refused_in_a_line(mask, tmp_path, monkeypatch, words, line):
    monkeypatch.chdir(tmp_path)
    outcome = run("export", mask, *words.split())
    assert outcome.status == 2, outcome.err
    assert outcome.err.splitlines()[-1].startswith(f"error: {line}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(mask, tmp_path, form):
    outcome = run("export", mask, "--to", form, "-o", tmp_path / "none" / name_of(form))
    assert outcome.status == 1
    assert outcome.err.startswith("error: there is no such folder (")


def test_a_setting_that_no_format_has_is_named(mask, tmp_path, form):
    with pytest.raises(ArgumentError, match="there is no setting 'simplyfy'"):
        wsiseg.export(mask, form, tmp_path / name_of(form), simplyfy="2um")

"""Exports that need the slide find it, and refuse another."""

import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

import wsiseg
from array_slide import noise
from commands import run
from dicom_slide import write_dicom_slide
from reddish import CLASSES, reddish_checkpoint
from stored_masks import write_mask

HEIGHT, WIDTH = 90, 130


@pytest.fixture(scope="module")
def segmented(tmp_path_factory):
    """A picture and its mask in a folder beside."""
    folder = tmp_path_factory.mktemp("run")
    slide = folder / "a.png"
    Image.fromarray(noise(HEIGHT, WIDTH)).save(slide)
    settings = {"runtime": "torch", "tissue": "none", "level": 0, "tile": 64}
    result = wsiseg.segment(slide, reddish_checkpoint(), folder / "out", **settings)
    return slide, result.mask


def blended(pixels, labels, opacity):
    palette = np.array([entry.colour for entry in CLASSES], float)
    return pixels + (palette[labels] - pixels) * opacity


def test_the_run_file_says_where_the_slide_is(segmented, tmp_path):
    _, mask = segmented
    wsiseg.export(mask, "overlay", tmp_path / "a.png", opacity=0.25)
    with Image.open(tmp_path / "a.png") as picture:
        shown = np.asarray(picture).astype(float)
    pixels = noise(HEIGHT, WIDTH).astype(float)
    labels = (pixels[..., 2] > pixels[..., 0]).astype(int)
    assert np.abs(shown - blended(pixels, labels, 0.25)).max() <= 0.51
    # What is not exported is not drawn over.
    wsiseg.export(mask, "overlay", tmp_path / "b.png", classes="blue", opacity=1)
    with Image.open(tmp_path / "b.png") as picture:
        shown = np.asarray(picture)
    expected = np.where(labels[..., None] == 1, (0, 0, 255), pixels)
    np.testing.assert_array_equal(shown, expected)


def test_the_slide_itself_is_not_replaced(segmented):
    slide, mask = segmented
    before = slide.read_bytes()
    outcome = run("export", mask, "--to", "overlay", "-o", slide, "--overwrite")
    assert outcome.status == 1
    assert outcome.err.splitlines() == [
        f"error: the export would replace the slide itself ({slide}). Choose another --output."
    ]
    assert slide.read_bytes() == before


def test_a_picture_is_no_larger_than_asked_for(segmented, tmp_path):
    _, mask = segmented
    wsiseg.export(mask, "overlay", tmp_path / "a.jpg", size=50, opacity=0)
    with Image.open(tmp_path / "a.jpg") as picture:
        assert picture.size == (50, 35)
        assert json.loads(picture.info["comment"])["slide_scale"] == pytest.approx(130 / 50)


def moved(segmented, folder):
    """Return the mask in another folder, with its run file, without its slide."""
    slide, mask = segmented
    for path in mask.parent.iterdir():
        copy = shutil.copytree if path.is_dir() else shutil.copyfile
        copy(path, folder / path.name)
    run_file = folder / "a.run.json"
    content = json.loads(run_file.read_text())
    content["slide"]["path"] = str(folder / "gone" / "a.png")
    run_file.write_text(json.dumps(content))
    return slide, folder / mask.name


def test_a_slide_that_has_moved_is_asked_for(segmented, tmp_path):
    slide, mask = moved(segmented, tmp_path)
    outcome = run("export", mask, "--to", "overlay", "-o", tmp_path / "b.png")
    assert outcome.status == 2
    where = tmp_path / "gone" / "a.png"
    assert outcome.err.splitlines() == [
        f"error: the slide of the mask is not there ({where}). Give it with --slide."
    ]
    words = ("export", mask, "--to", "overlay", "-o", tmp_path / "b.png", "--slide", slide)
    assert run(*words).status == 0
    # Or it is put beside.
    shutil.copyfile(slide, tmp_path / "a.png")
    assert run(*words[:-2], "--overwrite").status == 0


@pytest.mark.parametrize("run_file", [True, False])
@pytest.mark.parametrize("other", ["size", "pixels"])
def test_another_slide_is_refused_in_a_line(segmented, tmp_path, other, run_file):
    _, mask = moved(segmented, tmp_path)
    if not run_file:
        (tmp_path / "a.run.json").unlink()
    slide = tmp_path / "other.png"
    height = HEIGHT + 5 if other == "size" else HEIGHT
    Image.fromarray(noise(height, WIDTH, seed=1)).save(slide)
    words = ("export", mask, "--to", "overlay", "-o", tmp_path / "b.png", "--slide", slide)
    outcome = run(*words)
    assert outcome.status == 1
    assert outcome.err.splitlines() == [
        f"error: a mask of another slide ({slide}). It is one of a.png."
    ]
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("content", ["", "[1]", '{"slide": 7}', '{"slide": {"path": [1]}}'])
def test_a_run_file_that_says_nothing_counts_as_none(segmented, tmp_path, content):
    slide, mask = moved(segmented, tmp_path)
    (tmp_path / "a.run.json").write_text(content)
    words = ("export", mask, "--to", "overlay", "-o", tmp_path / "b.png")
    outcome = run(*words)
    assert outcome.status == 2
    (line,) = outcome.err.splitlines()
    where = tmp_path / "a.png"
    assert line == f"error: the slide of the mask is not there ({where}). Give it with --slide."
    assert run(*words, "--slide", slide).status == 0


def test_what_is_no_dicom_slide_has_no_dicom_segmentation(segmented, tmp_path):
    slide, mask = segmented
    outcome = run("export", mask, "--to", "dicom-seg", "-o", tmp_path / "a.dcm")
    assert outcome.status == 1
    (line,) = outcome.err.splitlines()
    assert line.startswith("error: the slide is not DICOM, so there is nothing that a segment")
    assert f"({slide})" in line
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    slide = write_dicom_slide(tmp_path / "slide", noise(20, 30))
    mask = write_mask(tmp_path, np.zeros((20, 30), np.uint8), slide="slide")
    monkeypatch.setitem(sys.modules, "highdicom", None)
    words = ("export", mask, "--to", "dicom-seg", "-o", tmp_path / "a.dcm", "--slide", slide)
    outcome = run(*words)
    assert outcome.status == 1
    assert outcome.err.splitlines() == [
        "error: highdicom is not installed. Run: pip install 'wsiseg[dicom]'."
    ]

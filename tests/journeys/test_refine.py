"""Post-processing on the way: as on a mask that stands, also of a run that was stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image
from scipy import ndimage

import wsiseg
from commands import run
from tiny import tiny_checkpoint
from wsiseg.errors import AnnotationError, OutputError
from wsiseg.exports.mask import open_mask
from wsiseg.store.masks import RAW

TESTS = Path(__file__).resolve().parents[1]

OPTIONS = {"level": 0, "slide_mpp": 0.5, "tissue": "none", "runtime": "torch", "tile": 256}
OPTIONS |= {"halo": 8}
REFINING = {"smooth": "1um", "fill_holes": "6um2", "min_area": "9um2"}


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    """Return a slide of three bands, in blots of many sizes."""
    random = np.random.default_rng(2).random((2300, 200, 3))
    blots = ndimage.gaussian_filter(random, (3, 3, 0))
    blots = np.clip((blots - 0.5) * 1500 + 128, 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("slide") / "tall.png"
    Image.fromarray(blots).save(path)
    return path


@pytest.fixture(scope="module")
def raw(slide, tmp_path_factory):
    """Return the mask without post-processing, with its probabilities."""
    return segment(slide, tmp_path_factory.mktemp("raw"), probabilities=True)


@pytest.fixture(scope="module")
def refined(slide, tmp_path_factory):
    return segment(slide, tmp_path_factory.mktemp("refined"), **REFINING)


def segment(slide, folder, **options):
    return wsiseg.segment(slide, tiny_checkpoint(), folder, **{**OPTIONS, **options})


def levels(mask):
    return [zarr.open_array(mask / str(number), mode="r")[:] for number in range(3)]


def assert_same(mask, other):
    for one, another in zip(levels(mask), levels(other), strict=True):
        np.testing.assert_array_equal(one, another)


def assert_tidy(folder):
    assert {path.name for path in folder.iterdir()} == {
        "tall.ome.zarr",
        "tall.run.json",
        "tall.tiles.csv",
    }
    assert not list(folder.glob(f"**/{RAW}"))


def test_on_the_way_and_afterwards_are_the_same(raw, refined, tmp_path):
    after = wsiseg.refine(raw.mask, tmp_path / "b.ome.zarr", **REFINING)
    assert_same(refined.mask, after.output)
    labels = refined.labels[:]
    assert after.changed_pixels == (labels != raw.labels[:]).sum() > 1000
    for entry, told in zip(refined.summary["classes"], after.classes, strict=True):
        assert entry == told
        assert entry["pixels"] == (labels == entry["index"]).sum()
    assert_tidy(refined.mask.parent)


def test_it_is_recorded_in_the_run_file_and_in_the_mask(refined):
    told = {"smooth": 1.0, "fill_holes": {"*": 6.0}, "min_area": 9.0}
    content = json.loads((refined.mask.parent / "tall.run.json").read_text())
    assert content["settings"] == content["settings"] | told | {"threshold": None}
    assert open_mask(refined.mask).image.notes["refined"] == [told]


@pytest.mark.parametrize("blend", ["crop", "gaussian"])
def test_thresholds_need_no_probabilities_to_be_kept(slide, raw, tmp_path, blend):
    options = {"threshold": "class 3=0.6", "min_area": 5}
    on_the_way = segment(slide, tmp_path / "a", blend=blend, **options)
    assert_tidy(tmp_path / "a")
    if blend != "crop":
        raw = segment(slide, tmp_path / "raw", blend=blend, probabilities=True)
    after = wsiseg.refine(raw.mask, tmp_path / "b.ome.zarr", **options)
    assert_same(on_the_way.mask, after.output)
    assert after.changed_pixels > 1000
    alone = segment(slide, tmp_path / "c", blend=blend, threshold="class 3=0.6")
    after = wsiseg.refine(raw.mask, tmp_path / "c.ome.zarr", threshold={"class 3": 0.6})
    assert_same(alone.mask, after.output)


def test_probabilities_stay_as_they_were_and_the_image_goes_around(slide, raw, refined, tmp_path):
    result = segment(slide, tmp_path / "out", probabilities=True, with_image=True, **REFINING)
    assert_same(result.mask, refined.mask)
    store = "tall.probabilities.ome.zarr"
    assert_same(tmp_path / "out" / store, raw.mask.with_name(store))
    assert np.asarray(zarr.open_array(tmp_path / "out" / "tall.ome.zarr" / "0")).shape[0] == 3


PLACES = {
    "the first band is written": "wsiseg.refining.writing.count_labels",
    "between steps": "wsiseg.refining.refinement.spool",
    "pyramid": "wsiseg.store.masks.multiscales",
    "run file": "wsiseg.segmentation.finishing.write_json",
    "tidying": "wsiseg.segmentation.finishing.remove_raw",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_run_stopped_while_refining_goes_on_to_the_same_bits(
    slide, refined, tmp_path, monkeypatch, place
):
    def stop(*arguments, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PLACES[place], stop)
        with pytest.raises(KeyboardInterrupt):
            segment(slide, tmp_path / "out", **REFINING)
    assert (tmp_path / "out" / "tall.journal").exists()
    if place != "tidying":
        assert not (tmp_path / "out" / "tall.run.json").exists()
    predicted = []
    with monkeypatch.context() as patch:
        patch.setattr("wsiseg.tiling.reading.TileReader._read", predicted.append)
        result = segment(slide, tmp_path / "out", resume=True, **REFINING)
    assert predicted == []
    assert_same(result.mask, refined.mask)
    assert result.summary["classes"] == refined.summary["classes"]
    assert_tidy(tmp_path / "out")


def test_a_run_killed_while_refining_is_unfinished_and_goes_on(slide, refined, tmp_path):
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    words = ["segment", slide, "-o", tmp_path / "out", "-c", checkpoint]
    for name, value in {**OPTIONS, **REFINING}.items():
        words += [f"--{name.replace('_', '-')}", value]
    killed = subprocess.run(
        [sys.executable, *map(str, [TESTS / "signalled.py", "refining", "SIGKILL", "--", *words])],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert killed.returncode == -9, killed.stderr
    mask = tmp_path / "out" / "tall.ome.zarr"
    with pytest.raises(AnnotationError, match="the mask is unfinished"):
        open_mask(mask)
    outcome = run(*words, "--resume", "--json")
    assert outcome.status == 0, outcome.err
    (entry,) = json.loads(outcome.out)["slides"]
    assert entry["classes"] == refined.summary["classes"]
    assert_same(mask, refined.mask)


def test_a_finished_mask_is_left_as_it_is_with_the_same_settings_only(slide, tmp_path):
    before = segment(slide, tmp_path / "out", **REFINING).summary
    assert segment(slide, tmp_path / "out", resume=True, **REFINING).summary == before
    for other in (
        {"min_area": "10um2"},
        {"smooth": None},
        {"fill_holes": {"class 1": 6}},
        {"threshold": "class 1=0.5"},
    ):
        (name,) = other
        with pytest.raises(OutputError, match=f"with(out| another)? `{name}`"):
            segment(slide, tmp_path / "out", resume=True, **{**REFINING, **other})


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (
            "--level 0 --min-area 5um2",
            1,
            "--min-area is given in µm, and the µm per pixel are unkn",
        ),
        ("--level 0 --threshold glnd=0.5", 2, "there is no class 'glnd' (--threshold). There are"),
        ("--level 0 --threshold 0.5", 2, "a value names no class (--threshold). Write it "),
        ("--level 0 --slide-mpp 0.5 --smooth 1mm", 2, "1000 µm are more than 256 pixels of 0.5 µm"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(slide, tmp_path, words, status, line):
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    options = ("--runtime", "torch", "--tissue", "none", "-c", checkpoint)
    outcome = run("segment", slide, "-o", tmp_path / "out", *options, *words.split())
    assert outcome.status == status
    assert outcome.err.splitlines()[-1].startswith(f"error: {line}")
    assert not (tmp_path / "out").exists()

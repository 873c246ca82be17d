"""Commands on slides: what they print and leave, whatever the slide is."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import torch
import zarr
from PIL import Image

import wsiseg
from commands import run
from tiny import tiny_checkpoint
from vendor_slides import aperio


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (150, 210, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def checkpoint(tmp_path):
    return tiny_checkpoint().save(tmp_path / "tiny.safetensors")


def test_segment_prints_one_json_document_with_the_promised_keys(picture, checkpoint, tmp_path):
    out = tmp_path / "out"
    result = run("segment", picture, "-o", out, "-c", checkpoint, "--level", 0, "--json")
    assert result.status == 0
    (entry,) = json.loads(result.out)["slides"]
    assert set(entry) == {
        *("slide", "status", "mask", "seconds", "forward_seconds", "megapixels", "mpx_per_s"),
        *("tiles", "tiles_per_s", "unread_tiles", "peak_rss_mb", "runtime", "precision"),
        *("device", "bottleneck", "classes", "error", "warnings", "pixels_without_numbers"),
        *("computed_megapixels", "memory_mb", "power_w", "joules_per_mpx", "label_agreement"),
    }
    assert (entry["status"], entry["error"], entry["unread_tiles"]) == ("ok", None, 0)
    assert 0 < entry["forward_seconds"] <= entry["seconds"]
    assert entry["megapixels"] == 0.0315
    assert [c["index"] for c in entry["classes"]] == [0, 1, 2, 3, 4]
    assert {p.name for p in out.iterdir()} == {
        *("picture.ome.zarr", "picture.tiles.csv", "picture.run.json", "batch.json", "cohort.csv")
    }
    assert json.loads((out / "batch.json").read_text())["slides"] == [entry]


def test_the_run_file_is_enough_to_run_it_again(picture, checkpoint, tmp_path):
    out = tmp_path / "out"
    run("segment", picture, "-o", out, "-c", checkpoint, "--level", 0, "--halo", 8)
    content = json.loads((out / "picture.run.json").read_text())
    assert content["settings"]["halo"] == 8
    assert content["settings"]["level"] == 0
    assert content["versions"]["wsiseg"]
    assert content["versions"]["torch"] == torch.__version__.partition("+")[0] or (
        content["versions"]["torch"] == torch.__version__
    )
    assert len(content["identity"]["slide"]["sha256_of_ends"]) == 64
    assert content["identity"]["checkpoint"] == tiny_checkpoint().sha256
    assert content["hardware"]["cores"] >= 1
    assert sum(content["shares"].values()) == pytest.approx(1, abs=0.01)
    assert content["warnings"] == [
        "the slide's µm per pixel are unknown; the mask has no physical scale"
    ]


def test_words_for_people_go_to_stdout_and_notes_to_stderr(picture, checkpoint, tmp_path):
    command = ("segment", picture, "-c", checkpoint, "--level", 0)
    loud = run(*command, "-o", tmp_path / "a")
    assert "picture.ome.zarr" in loud.out
    assert "Mpx/s" in loud.out
    assert "210×150 px" in loud.err
    assert re.search(
        r", \d+ % tile overlap, about \d+ MiB of memory needed on top of the program\n", loud.err
    )
    assert re.search(r"\nbottleneck  [a-z-]+ \(.* help\)|normal for small slides\)\n", loud.out)
    quiet = run(*command, "-o", tmp_path / "b", "--quiet")
    assert quiet.out == ""
    assert "210×150 px" not in quiet.err


def test_a_slide_without_tissue_is_told_of_and_needs_no_advice(checkpoint, tmp_path):
    Image.new("RGB", (600, 500), "white").save(tmp_path / "glass.png")
    found = run("segment", tmp_path / "glass.png", "-c", checkpoint, "--level", 0, "-o", tmp_path)
    assert found.status == 0
    assert "no tissue is found, so nothing is analysed; --tissue none analyses all" in found.err
    assert "nothing was analysed" in found.out
    assert "bottleneck" not in found.out


def test_one_slide_that_fails_does_not_stop_the_others(picture, checkpoint, tmp_path):
    (tmp_path / "bad.svs").write_text("no slide")
    slides = (tmp_path / "bad.svs", picture, tmp_path / "missing.svs")
    result = run(
        "segment", *slides, "-o", tmp_path / "out", "-c", checkpoint, "--level", 0, "--json"
    )
    assert result.status == 1
    entries = json.loads(result.out)["slides"]
    assert [entry["status"] for entry in entries] == ["failed", "ok", "failed"]
    assert "no reader" in entries[0]["error"]
    assert "no such slide" in entries[2]["error"]
    assert {frozenset(entry) for entry in entries} == {frozenset(entries[0])}
    lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 2


def test_two_slides_of_one_name_are_refused_before_anything_runs(picture, checkpoint, tmp_path):
    (tmp_path / "other").mkdir()
    again = tmp_path / "other" / "picture.jpg"
    Image.open(picture).save(again)
    result = run("segment", picture, again, "-o", tmp_path / "out", "-c", checkpoint)
    assert result.status == 2
    assert "'picture'" in result.err


def test_a_folder_stands_for_the_slides_in_it(picture, checkpoint, tmp_path):
    cohort, out = tmp_path / "cohort", tmp_path / "cohort" / "out"
    for place in ("b10.png", "b9.png", "deep/c.png"):
        (cohort / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, cohort / place)
    (cohort / "list.csv").write_text("x")
    command = ("segment", cohort, "-o", out, "-c", checkpoint, "--level", 0, "--json")
    done = run(*command)
    assert done.status == 0
    slides = [entry["slide"] for entry in json.loads(done.out)["slides"]]
    assert slides == [str(cohort / "b9.png"), str(cohort / "b10.png")]
    assert "note: passed over 1 file that is no slide: list.csv\n" in done.err
    assert "note: passed over 1 folder (--recursive looks into it): deep\n" in done.err
    deep = run(*command, "--recursive", "--resume")
    assert len(json.loads(deep.out)["slides"]) == 3
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = run("segment", empty, "-o", out, "-c", checkpoint, "--json")
    assert (refused.status, json.loads(refused.out)["error"]["status"]) == (1, 1)
    assert "there is no slide in the folder" in refused.err
    shutil.copy(picture, cohort / "deep" / "b9.png")
    twice = run(*command, "--recursive", "--overwrite")
    assert twice.status == 2
    assert str(cohort / "b9.png") in twice.err
    assert str(cohort / "deep" / "b9.png") in twice.err


def test_info_says_what_the_slide_says(tmp_path):
    pixels = np.zeros((512, 768, 3), np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tiff") as file:
        for k in range(3):
            file.write(
                pixels[:: 2**k, :: 2**k],
                tile=(256, 256),
                photometric="rgb",
                compression="zlib",
                resolution=(20_000, 20_000),
                resolutionunit="CENTIMETER",
            )
    result = run("info", tmp_path / "a.tiff", "--json")
    content = json.loads(result.out)
    assert (content["width"], content["height"], content["mpp"]) == (768, 512, 0.5)
    assert (content["reader"], content["mpp_source"]) == ("tifffile", "tiff.Resolution")
    assert content["levels"] == [
        {"width": 768 >> k, "height": 512 >> k, "downsample": 2.0**k} for k in range(3)
    ]
    assert "0.5 µm/px" in run("info", tmp_path / "a.tiff").out


def test_an_imported_checkpoint_segments_at_once(data, picture, tmp_path):
    weights = data / "weights" / "ESPNet" / "decoder" / "espnet_p_2_q_3.pth"
    target = tmp_path / "streets.safetensors"
    result = run("models", "import", weights, "--architecture", "espnet", "-o", target, "--json")
    assert json.loads(result.out) == {
        "output": str(target),
        "architecture": "espnet",
        "classes": 20,
        "parameters": 202_649,
        "dataset": "cityscapes",
    }
    command = ("segment", picture, "-c", target, "-o", tmp_path / "out", "--tissue", "none")
    refused = run(*command)
    assert refused.status == 2
    assert "--mpp" in refused.err
    assert run(*command, "--level", 0, "--json").status == 0


@pytest.mark.parametrize(
    "command",
    [["--help"], ["segment", "--help"], ["models", "--help"], ["--version"], ["demo", "-h"]],
)
def test_help_is_given(command):
    result = run(*command)
    assert (result.status, result.err) == (0, "")
    assert result.out


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "wsiseg", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == wsiseg.__version__


def test_info_tells_which_readers_take_a_slide_and_why(tmp_path):
    slide = aperio(tmp_path, "352.8")
    content = json.loads(run("info", slide, "--json").out)
    takes = {each["reader"]: each["takes"] for each in content["readers"]}
    assert takes == {"omezarr": False, "tifffile": True, "openslide": True, "pillow": True}
    assert [each["reader"] for each in content["readers"] if each["chosen"]] == ["tifffile"]
    text = run("info", slide, "--reader", "openslide").out
    assert "openslide (chosen): OpenSlide knows aperio files" in text
    assert "tifffile: " in text
    assert "omezarr: not an OME-Zarr" in text
    assert "352.8 µm/px (openslide.mpp), not believed" in text


def test_every_command_that_takes_a_slide_takes_a_reader(tmp_path):
    slide = aperio(tmp_path)
    data = ("--slides", tmp_path, "--annotations", tmp_path, "--mpp", 0.5)
    commands = {
        "info": (slide,),
        "segment": (slide, "-o", tmp_path / "out"),
        "view": (slide,),
        "train": (*data, "-o", tmp_path / "run"),
        "evaluate": (*data, "-c", tmp_path / "none.safetensors"),
    }
    for command, words in commands.items():
        assert "--reader" in run(command, "--help").out
        if command in ("info", "segment"):
            refused = run(command, *words, "--reader", "other")
            assert refused.status == 2
            assert "there is no reader 'other'" in refused.err
            assert "omezarr, tifffile, openslide, pillow" in refused.err


def test_the_reader_that_is_named_reads_the_slide(tmp_path, checkpoint):
    slide = aperio(tmp_path)
    words = ("segment", slide, "-c", checkpoint, "--tissue", "none")
    masks = []
    for reader in ("tifffile", "openslide"):
        result = run(*words, "-o", tmp_path / reader, "--level", 0, "--reader", reader, "--json")
        assert result.status == 0, result.err
        told = json.loads((tmp_path / reader / "slide.run.json").read_text())
        assert told["slide"]["reader"] == told["identity"]["reader"] == reader
        masks.append(zarr.open_array(tmp_path / reader / "slide.ome.zarr" / "0", mode="r")[:])
    np.testing.assert_array_equal(*masks)
    refused = run(*words, "-o", tmp_path / "x", "--reader", "omezarr")
    assert refused.status == 1
    assert "error: omezarr: not an OME-Zarr (" in refused.err

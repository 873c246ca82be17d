import importlib.util
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
from wsiseg.diagnosis import diagnose
from wsiseg.models.runtimes.cache import keep


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
    assert re.search(r", \d+ % tile overlap, about \d+ MiB of memory needed\n", loud.err)
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


def test_models_show_tells_what_a_network_costs_and_sees():
    content = json.loads(run("models", "show", "espnet", "--classes", 20, "--json").out)
    # The counts of all networks are compared in tests/models/test_counts.py.
    assert (content["parameters"], content["macs"]) == (364_569, 4_709_441_536)
    assert (content["input_multiple"], content["size_mb"]) == (8, 1.458)
    assert content["receptive_field"] == 2839


def test_models_show_prints_what_inference_needs_where_that_is_less():
    shown = run("models", "show", "rdrnet-s-simple", "--set", "context=pappm").out
    # The merged pyramid has a bias more.
    assert f"for inference    {7_125_363 - 512:,}" in shown
    assert "for inference" not in run("models", "show", "espnet-c").out


def test_models_show_tells_what_can_be_set():
    lines = run("models", "show", "icnet").out.splitlines()
    (first,) = (i for i, line in enumerate(lines) if line.startswith("--set"))
    backbone, form = (" ".join(line.split()) for line in lines[first : first + 2])
    assert backbone == (
        "--set backbone=… one of resnet18, resnet50, resnet101; resnet50 if left out"
    )
    assert form == "form=… one of authors, mmseg, caffe; authors if left out"


def test_models_show_tells_what_was_published_and_by_whom():
    content = json.loads(run("models", "show", "stdc1", "--json").out)
    assert content["receptive_field"] is None
    assert {
        "measure": "mIoU",
        "value": 71.9,
        "unit": "%",
        "on": "Cityscapes test, 1024×512",
        "source": "PaddleSeg's PP-LiteSeg README",
        "arguments": {},
        "variant": None,
        "here": None,
        "agrees": None,
        "note": None,
    } in content["published"]
    lines = run("models", "show", "stdc1").out.splitlines()
    assert "receptive field  the whole picture" in lines
    assert not any(line.startswith("--set") for line in lines)
    (first,) = [line for line in lines if line.startswith("published")]
    assert "71.82 %" in first
    assert any("71.9 %: Cityscapes test" in line for line in lines)


def test_models_list_names_every_architecture():
    entries = json.loads(run("models", "list", "--json").out)
    assert {"espnet", "espnet-c"} <= {entry["name"] for entry in entries}
    assert all(entry["parameters"] > 0 and entry["family"] for entry in entries)


def test_models_list_is_the_same_when_it_is_kept_and_needs_no_torch():
    code = """
import sys
from wsiseg.cli import main
try:
    main(["models", "list", "--json"])
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""
    first = run("models", "list", "--json").out
    second = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert second.stderr == "False\n"
    # Tests register networks of their own, which are not kept.
    entries = json.loads(second.stdout)
    assert entries == [entry for entry in json.loads(first) if entry in entries]
    assert len(entries) > 30


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


def test_an_import_replaces_nothing_unless_it_is_told_to(data, tmp_path):
    weights = data / "weights" / "ESPNet" / "encoder" / "espnet_p_2_q_3.pth"
    target = tmp_path / "streets.safetensors"
    target.write_text("precious")
    command = ("models", "import", weights, "--architecture", "espnet-c", "-o", target)
    refused = run(*command)
    assert (refused.status, target.read_text()) == (1, "precious")
    assert "--overwrite" in refused.err
    assert run(*command, "--overwrite").status == 0
    assert target.stat().st_size > 500_000
    folder = run(*command[:-1], tmp_path, "--overwrite")
    assert (folder.status, folder.err.count("is a folder")) == (2, 1)
    copy = tmp_path / "copy.pth"
    copy.write_bytes(weights.read_bytes())
    itself = run(
        "models", "import", copy, *command[3:-1], tmp_path / "." / "copy.pth", "--overwrite"
    )
    assert (itself.status, copy.read_bytes()) == (2, weights.read_bytes())


def test_doctor_looks_at_everything():
    result = run("doctor", "--json")
    assert result.status == 0
    checks = {check["name"]: check for check in json.loads(result.out)["checks"]}
    assert {"torch", "openvino", "tifffile", "openslide", "zarr", "checkpoint"} <= set(checks)
    assert "lightning" in checks["training"]["detail"]
    assert checks["checkpoint"]["ok"]
    assert run("doctor").out.count("\n") == len(checks)


def test_doctor_tells_how_large_the_cache_is_and_clears_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep("reach", {}, bytes(2_000_000))
    (check,) = (c for c in diagnose() if c.name == "cache")
    assert check.ok
    assert check.detail.startswith(f"2.0 MB in {tmp_path}")
    cleared = run("doctor", "--clear-cache")
    assert (cleared.status, cleared.err) == (0, "")
    assert f"2.0 MB removed from {tmp_path}" in cleared.out
    assert json.loads(run("doctor", "--clear-cache", "--json").out)["freed_bytes"] == 0


def test_doctor_says_how_training_is_installed(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else there(name)
    )
    (check,) = (c for c in diagnose() if c.name == "training")
    assert (check.ok, check.optional) == (False, True)
    assert "wsiseg[train]" in check.detail
    assert run("doctor").status == 0


def test_demo_builds_a_slide_and_segments_it(tmp_path, monkeypatch):
    from wsiseg.demo import slide

    small = slide.build_demo_slide
    monkeypatch.setattr(slide, "build_demo_slide", lambda path: small(path, 700, 900))
    result = run("demo", "-o", tmp_path / "demo", "--json")
    assert result.status == 0
    (entry,) = json.loads(result.out)["slides"]
    # All of the slide but for the glass.
    assert 0.4 < entry["megapixels"] < 0.63
    assert (tmp_path / "demo" / "demo.ome.zarr" / "zarr.json").is_file()
    built = (tmp_path / "demo" / "demo.tiff").stat().st_mtime_ns
    again = run("demo", "-o", tmp_path / "demo")
    assert "medical device" in again.out
    assert "exists already" in again.err
    assert (tmp_path / "demo" / "demo.tiff").stat().st_mtime_ns == built


def test_demo_builds_the_slide_of_another_version_anew(tmp_path, monkeypatch):
    from wsiseg.demo import slide

    small = slide.build_demo_slide
    monkeypatch.setattr(slide, "build_demo_slide", lambda path: small(path, 300, 400))
    path = tmp_path / "demo.tiff"
    for software in ("wsiseg demo", "wsiseg demo 99"):
        tifffile.imwrite(path, np.zeros((30, 40, 3), np.uint8), software=software, metadata=None)
        found = run("demo", "-o", tmp_path, "--json")
        assert (found.status, "exists already" in found.err) == (0, False)
        assert "CC0" in found.err
        with wsiseg.open_slide(path) as built:
            assert built.levels[0].box.shape == (300, 400)


def test_demo_advises_nothing_that_it_does_not_offer(tmp_path, monkeypatch):
    from wsiseg.demo import slide
    from wsiseg.throughput.summary import TimeShares

    small = slide.build_demo_slide
    monkeypatch.setattr(slide, "build_demo_slide", lambda path: small(path, 300, 400))
    monkeypatch.setattr(TimeShares, "bottleneck", "reading")
    found = run("demo", "-o", tmp_path)
    assert "\nbottleneck  reading (a faster disk would help)\n" in found.out


@pytest.mark.parametrize("kind", ["TIFF", "text"])
def test_demo_leaves_a_users_file_of_that_name_alone(tmp_path, kind):
    path = tmp_path / "demo.tiff"
    if kind == "TIFF":
        Image.new("RGB", (40, 30)).save(path)
    else:
        path.write_text("mine")
    before = path.read_bytes()
    result = run("demo", "-o", tmp_path)
    assert result.status == 1
    assert "was not built by wsiseg demo" in result.err
    assert "--output" in result.err
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["demo.tiff"]


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
    assert done.stdout.strip().count(".") == 2


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

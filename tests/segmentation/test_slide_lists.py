"""Lists of slides, each with settings of its own."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from cohorts import OPTIONS, run, statuses
from tiny import tiny_checkpoint
from wsiseg.errors import ArgumentError, CheckpointError
from wsiseg.segmentation import executing
from wsiseg.segmentation.batch import make_jobs, segment_batch
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.slide_lists import ListedSlide, read_slide_list


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16")]
)
def test_a_list_gives_each_slide_its_own_settings(slides, tmp_path, delimiter, encoding):
    (tmp_path / "weights").mkdir()
    tiny_checkpoint(seed=3).save(tmp_path / "weights" / "other.safetensors")
    text = (
        "Output,slide,slide_mpp,checkpoint\r\n"
        ",a.png,0.5,\r\n"
        "\r\n"
        "second,c.png,1.0,weights/other.safetensors\r\n"
    ).replace(",", delimiter)
    listed = read_slide_list(write(tmp_path, text, encoding))
    options = {"tissue": "none", "runtime": "torch", "mpp": 0.5}
    entries = list(segment_batch(listed, tiny_checkpoint(), tmp_path / "out", **options))
    assert [entry["status"] for entry in entries] == ["ok", "ok"]
    masks = [zarr.open_array(f"{entry['mask']}/0", mode="r") for entry in entries]
    assert [mask.shape for mask in masks] == [(64, 96), (128, 192)]
    runs = [json.loads((tmp_path / "out" / f"{n}.run.json").read_text()) for n in ("a", "second")]
    weights = [tiny_checkpoint().sha256, tiny_checkpoint(seed=3).sha256]
    assert [each["identity"]["checkpoint"] for each in runs] == weights
    again = segment_batch(listed, tiny_checkpoint(), tmp_path / "out", resume=True, **options)
    assert [entry["status"] for entry in again] == ["skipped", "skipped"]


def test_the_mpp_of_a_list_overrules_files_only_if_that_is_said(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    resolution = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "a.tiff", pixels, tile=(64, 64), photometric="rgb", **resolution)
    listed = [ListedSlide(tmp_path / "a.tiff", slide_mpp=1.0)]
    options = {"tissue": "none", "runtime": "torch"}
    (as_stated,) = segment_batch(listed, tiny_checkpoint(), tmp_path / "out", **options)
    assert as_stated["status"] == "failed"
    assert "overrule the slide with `override_mpp`" in as_stated["error"]
    options |= {"override_mpp": True, "overwrite": True}
    (overruled,) = segment_batch(listed, tiny_checkpoint(), tmp_path / "out", **options)
    assert zarr.open_array(f"{overruled['mask']}/0", mode="r").shape == (128, 192)
    with pytest.raises(ArgumentError, match="there is no value to overrule"):
        run([ListedSlide(tmp_path / "a.tiff")], tmp_path / "out", override_mpp=True)


def test_a_network_of_a_list_is_loaded_once_and_one_that_is_none_fails_its_slides(
    slides, tmp_path, monkeypatch
):
    tiny_checkpoint(seed=3).save(tmp_path / "good.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"none")
    made = []
    make = executing.make_predictor

    def count(checkpoint, *others):
        made.append(Path(checkpoint).stem)
        return make(checkpoint, *others)

    monkeypatch.setattr(executing, "make_predictor", count)
    listed = read_slide_list(
        write(
            tmp_path,
            "slide,checkpoint\na.png,good.safetensors\nc.png,bad.safetensors\n"
            "d.png,good.safetensors\n",
        )
    )
    found = {
        Path(e["slide"]).stem: e for e in segment_batch(listed, None, tmp_path / "out", **OPTIONS)
    }
    assert statuses(found) == {"a": "ok", "c": "failed", "d": "ok"}
    assert sorted(made) == ["bad", "good"]
    with pytest.raises(CheckpointError):
        list(segment_batch(slides, tmp_path / "bad.safetensors", tmp_path / "none", **OPTIONS))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("slide,mp\na.png,1\n", "row 1"),
        ("mpp\n1\n", "row 1"),
        ("slide,slide\na.png,b.png\n", "row 1"),
        ("", "row 1"),
        ("slide\n\n", "list.csv"),
        ("slide\na.png\n\na.png\n", "row 4, column slide"),
        ("slide,output\na.png,c\nc.png,\n", "row 3, column slide"),
        ("slide,output\na.png,../x\n", "row 2, column output"),
        ("slide,output\na.png,.\n", "row 2, column output"),
        ("slide,checkpoint\na.png,nucle\n", "row 2, column checkpoint"),
        ("slide,checkpoint\na.png,x/y.safetensors\n", "row 2, column checkpoint"),
        ("slide,roi\na.png,no.geojson\n", "row 2, column roi"),
        ("slide,mpp\n,1\n", "row 2, column slide"),
        ("slide,mpp\na.png,1,2\n", "row 2"),
        ("slide,mpp\na.png,0.5\nc.png,abc\n", "row 3, column mpp"),
        ("slide,slide_mpp\na.png,-1\n", "row 2, column slide_mpp"),
        ("slide;mpp\na.png;0,5\n", "row 2, column mpp"),
        ('slide\n"a.png\n', "list.csv"),
        ("slide\na\0.png\n", "list.csv"),
    ],
)
def test_what_is_wrong_in_a_list_is_one_line_with_row_and_column(tmp_path, text, where):
    with pytest.raises(ArgumentError) as told:
        make_jobs(read_slide_list(write(tmp_path, text)), None, tmp_path, SegmentOptions())
    assert str(told.value.where).endswith(where)
    assert "\n" not in str(told.value)


def test_python_can_list_slides_too(slides, tmp_path):
    given = [ListedSlide(slides[0], output="one"), ListedSlide(slides[0], output="two"), slides[2]]
    entries = run(given, tmp_path / "out")
    assert {path.stem for path in (tmp_path / "out").glob("*.run.json")} == {
        "one.run",
        "two.run",
        "c.run",
    }
    assert set(statuses(entries).values()) == {"ok"}
    with pytest.raises(ArgumentError, match="is not a name"):
        run([ListedSlide(slides[0], output="x/y")], tmp_path / "out")
    with pytest.raises(ArgumentError, match="no slide is named"):
        run([], tmp_path / "out")

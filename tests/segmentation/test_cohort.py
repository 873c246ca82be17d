"""A cohort: lists, slides that are passed by, failures that are tried again, several at once."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import wsiseg
from tiny import tiny_checkpoint
from wsiseg.errors import ArgumentError, CheckpointError
from wsiseg.segmentation import disk_need, executing, segmenting
from wsiseg.segmentation.batch import make_jobs, segment_batch
from wsiseg.segmentation.forecasting import plan_cohort
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.slide_lists import ListedSlide, read_slide_list
from wsiseg.store.disk import translate_write_errors
from wsiseg.store.locks import hold_lock

OPTIONS = {"tissue": "none", "runtime": "torch", "level": 0}
SLIDES = ("a", "b", "c", "d")


@pytest.fixture
def slides(tmp_path):
    for number, name in enumerate(SLIDES):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 96, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    return [tmp_path / f"{name}.png" for name in SLIDES]


def mend(slide):
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(slide)


def run(slides, folder, **options):
    entries = segment_batch(slides, tiny_checkpoint(), folder, **{**OPTIONS, **options})
    return {Path(entry["slide"]).stem: entry for entry in entries}


def statuses(entries):
    return {name: entry["status"] for name, entry in entries.items()}


def recorded(folder):
    entries = json.loads((folder / "batch.json").read_text())["slides"]
    return {Path(entry["slide"]).stem: entry["status"] for entry in entries}


class Heard(Listener):
    def __init__(self):
        self.turns, self.planned_slides = [], []

    def turned_to(self, path, number, total):
        self.turns.append((path.stem, number, total))

    def planned(self, job):
        self.planned_slides.append(job.slide.name)


def test_what_is_finished_by_its_record_is_passed_by_without_a_plan(slides, tmp_path, monkeypatch):
    first = run(slides, tmp_path / "out")
    mend(slides[1])
    heard = Heard()
    planned = []
    make = segmenting.make_plan
    monkeypatch.setattr(
        segmenting,
        "make_plan",
        lambda slide, *a, **k: (planned.append(slide.name), make(slide, *a, **k))[1],
    )
    second = run(slides, tmp_path / "out", resume=True, listener=heard)
    assert statuses(second) == {"a": "skipped", "b": "ok", "c": "skipped", "d": "skipped"}
    assert planned == ["b"]
    assert heard.turns == [(name, number, 4) for number, name in enumerate(SLIDES, 1)]
    # The record keeps what the runs that made the masks said of them, figures included.
    assert recorded(tmp_path / "out") == dict.fromkeys(SLIDES, "ok")
    assert second["a"] == first["a"] | {"status": "skipped"}


@pytest.mark.parametrize("change", ["settings", "weights", "slide"])
def test_a_record_of_something_else_is_not_taken(slides, tmp_path, change):
    run(slides[:1], tmp_path / "out")
    options, checkpoint = dict(OPTIONS), tiny_checkpoint()
    if change == "settings":
        options["halo"] = 12
    elif change == "weights":
        checkpoint = tiny_checkpoint(seed=3)
    else:
        mend(slides[0])
    (entry,) = segment_batch(slides[0], checkpoint, tmp_path / "out", resume=True, **options)
    assert entry["status"] == "failed"
    assert "the existing output was made with another" in entry["error"]


def test_a_finished_mask_that_lost_pixels_is_not_passed_by(slides, tmp_path):
    run(slides[:1], tmp_path / "out")
    (tmp_path / "out" / "a.ome.zarr" / "0" / "c" / "0" / "0").unlink()
    assert statuses(run(slides[:1], tmp_path / "out", resume=True)) == {"a": "ok"}


def test_only_what_failed_is_tried_again(slides, tmp_path):
    assert statuses(run(slides[:3], tmp_path / "out"))["b"] == "failed"
    mend(slides[1])
    # The fourth has never been begun.
    again = run(slides, tmp_path / "out", retry_failed=True)
    assert statuses(again) == {"a": "skipped", "b": "ok", "c": "skipped", "d": "skipped"}
    assert again["a"]["classes"]
    assert again["d"]["mask"] is None
    assert recorded(tmp_path / "out") == {"a": "ok", "b": "ok", "c": "ok"}
    assert set(statuses(run(slides, tmp_path / "out", retry_failed=True)).values()) == {"skipped"}


def test_the_first_failure_ends_a_cohort_that_is_to_fail_fast(slides, tmp_path):
    assert statuses(run(slides, tmp_path / "out", fail_fast=True)) == {"a": "ok", "b": "failed"}
    assert recorded(tmp_path / "out") == {"a": "ok", "b": "failed"}


def test_a_slide_that_another_process_holds_is_passed_by(slides, tmp_path):
    (tmp_path / "out").mkdir()
    with hold_lock(tmp_path / "out" / "a.lock", pytest.fail):
        found = run(slides, tmp_path / "out")
        (alone,) = segment_batch(slides[0], tiny_checkpoint(), tmp_path / "out", **OPTIONS)
    assert statuses(found) == {"a": "skipped", "b": "failed", "c": "ok", "d": "ok"}
    assert "another run is writing this output" in found["a"]["warnings"][-1]
    assert found["a"]["error"] is None
    # One slide alone is what the user asked for, so that nothing would be done.
    assert alone["status"] == "failed"
    assert recorded(tmp_path / "out") == {"b": "failed", "c": "ok", "d": "ok"}


@pytest.mark.parametrize("how", [{}, {"overwrite": True}, {"resume": True}])
def test_what_another_process_has_ended_meanwhile_is_not_taken_again(slides, tmp_path, how):
    if how:
        mend(slides[1])
        run(slides, tmp_path / "out")
        slides[1].write_bytes(b"no picture")
        if "resume" in how:
            for name in ("a", "c"):
                (tmp_path / "out" / f"{name}.ome.zarr" / "0" / "c" / "0" / "0").unlink()
    other = []

    class Meanwhile(Listener):
        def turned_to(self, path, number, total):
            if number == 1:
                with_others = run([slides[2], slides[1]], tmp_path / "out", **how)
                other.append(statuses(with_others))

    mine = run(slides, tmp_path / "out", listener=Meanwhile(), **how)
    assert other == [{"b": "failed", "c": "ok"}]
    assert statuses(mine) | {"a": "ok", "d": "ok"} == {
        "a": "ok",
        "b": "skipped",
        "c": "skipped",
        "d": "ok",
    }
    assert mine["c"]["classes"]
    assert recorded(tmp_path / "out") == {"a": "ok", "b": "failed", "c": "ok", "d": "ok"}


WORKER = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from tiny import tiny_checkpoint
from wsiseg import segment_batch
taken = segment_batch(sys.argv[2], tiny_checkpoint(), sys.argv[3], tissue="none", runtime="torch",
                      level=0, overwrite=True)
print(*(f"{Path(e['slide']).stem}:{e['status']}" for e in taken))
"""


def test_two_runs_at_once_share_a_cohort(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(12):
        path = tmp_path / "in" / f"{number}.png"
        Image.fromarray(np.full((60, 70, 3), number, np.uint8)).save(path)
    (tmp_path / "in" / "3.png").write_bytes(b"no picture")
    together = threading.Barrier(2)

    class Together(Listener):
        def turned_to(self, path, number, total):
            if number == 1:
                together.wait(20)

    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(run, tmp_path / "in", tmp_path / "out", overwrite=True, listener=Together())
            for _ in range(2)
        ]
        of_each = [statuses(each.result(60)) for each in runs]
    for name in map(str, range(12)):
        done = "failed" if name == "3" else "ok"
        assert sorted(each[name] for each in of_each) == sorted([done, "skipped"]), name
    assert recorded(tmp_path / "out") == {
        str(number): "failed" if number == 3 else "ok" for number in range(12)
    }
    rows = (tmp_path / "out" / "cohort.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(rows) == 13
    assert not list((tmp_path / "out").glob("*.lock"))


def test_who_comes_later_to_a_cohort_passes_by_what_is_finished(slides, tmp_path):
    joined, said = [], []

    class Hearing(Listener):
        def warned(self, text):
            said.append(text)

    class Late(Listener):
        def planned(self, job):
            # Now the lock of this slide is held.
            if job.slide.name == "c":
                joined.append(statuses(run(slides, tmp_path / "out", listener=Hearing())))

    mine = statuses(run(slides, tmp_path / "out", listener=Late()))
    # What failed by then is tried once more, as it would be by `resume`.
    assert joined == [{"a": "skipped", "b": "failed", "c": "skipped", "d": "ok"}]
    assert mine == {"a": "ok", "b": "failed", "c": "ok", "d": "skipped"}
    assert any("another process works on this cohort" in text for text in said)
    assert recorded(tmp_path / "out") == {"a": "ok", "b": "failed", "c": "ok", "d": "ok"}


@pytest.mark.long
def test_two_processes_share_a_cohort(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(8):
        path = tmp_path / "in" / f"{number}.png"
        Image.fromarray(np.full((600, 700, 3), number, np.uint8)).save(path)
    (tmp_path / "in" / "3.png").write_bytes(b"no picture")
    command = [sys.executable, "-c", WORKER, str(Path(__file__).parents[1])]
    command += [str(tmp_path / "in"), str(tmp_path / "out")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    for number in range(8):
        of_one = sorted(
            word.split(":")[1] for words in said for word in words if word[0] == str(number)
        )
        expected = ["failed", "skipped"] if number == 3 else ["ok", "skipped"]
        # One that came too late to meet the other takes what it has done for an earlier run's.
        assert of_one in (expected, ["ok", "ok"], ["failed", "failed"])
    assert recorded(tmp_path / "out") == {
        str(number): "failed" if number == 3 else "ok" for number in range(8)
    }
    rows = (tmp_path / "out" / "cohort.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(rows) == 9
    assert not list((tmp_path / "out").glob("*.lock"))


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
    with pytest.raises(ArgumentError, match="nothing is given to overrule"):
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


def test_a_forecast_writes_nothing_and_holds_what_the_run_will_say(slides, tmp_path):
    options = SegmentOptions(**OPTIONS)
    jobs = make_jobs(slides, tiny_checkpoint(), tmp_path / "deep" / "out", options)
    planned = list(plan_cohort(jobs, Listener()))
    assert [entry["status"] for entry in planned] == ["planned", "failed", "planned", "planned"]
    assert not (tmp_path / "deep").exists()
    done = run(slides, tmp_path / "deep" / "out")["a"]
    for key in ("mask", "tiles", "megapixels", "computed_megapixels", "runtime", "precision"):
        assert planned[0][key] == done[key], key
    assert planned[0]["seconds"] > 0
    assert set(planned[0]) == set(done) | {"disk_mb"}
    # What would be refused, and what is finished.
    assert [entry["status"] for entry in plan_cohort(jobs, Listener())] == ["failed"] * 4
    going_on = make_jobs(
        slides, tiny_checkpoint(), tmp_path / "deep" / "out", options.replace(resume=True)
    )
    assert [entry["status"] for entry in plan_cohort(going_on, Listener())] == [
        "skipped",
        "failed",
        "skipped",
        "skipped",
    ]


def test_what_surely_has_no_room_is_refused_and_what_may_not_is_said(slides, tmp_path, monkeypatch):
    monkeypatch.setattr(disk_need, "free_bytes", lambda _: 20_000)
    refused = run(slides[:1], tmp_path / "full", with_image=True)["a"]
    assert refused["status"] == "failed"
    assert "the disk is too full" in refused["error"]
    assert "20 KiB free" in refused["error"]
    assert "leave out `with_image`" in refused["error"]
    assert not (tmp_path / "full" / "a.ome.zarr").exists()
    monkeypatch.setattr(disk_need, "free_bytes", lambda _: 70_000)
    said = run(slides[:1], tmp_path / "scarce", with_image=True)["a"]
    assert said["status"] == "ok"
    assert any("the disk may become full: about " in text for text in said["warnings"])
    content = json.loads((tmp_path / "scarce" / "a.run.json").read_text())
    assert content["plan"]["disk_bytes"] > 64 * 96 * 3


def test_a_disk_that_becomes_full_is_one_error_with_the_way_on(tmp_path, monkeypatch):
    slide = tmp_path / "tall.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (4300, 64, 3), np.uint8)).save(slide)
    write_band = segmenting.MaskStore.write
    wrote = []

    def until_full(store, band):
        wrote.append(band)
        if len(wrote) == 3:
            with translate_write_errors(tmp_path / "out"):
                raise OSError(28, "No space left on device")
        return write_band(store, band)

    with monkeypatch.context() as patch:
        patch.setattr(segmenting.MaskStore, "write", until_full)
        (entry,) = segment_batch(slide, tiny_checkpoint(), tmp_path / "out", tile=256, **OPTIONS)
    assert entry["status"] == "failed"
    assert "No space left" in entry["error"]
    assert entry["error"].endswith("Free some space there. Continue with `resume`.")
    assert (tmp_path / "out" / "tall.journal").is_file()
    (done,) = segment_batch(
        slide, tiny_checkpoint(), tmp_path / "out", tile=256, resume=True, **OPTIONS
    )
    assert done["status"] == "ok"
    whole = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "whole", tile=256, **OPTIONS)
    again = wsiseg.segment(
        slide, tiny_checkpoint(), tmp_path / "out", tile=256, resume=True, **OPTIONS
    )
    np.testing.assert_array_equal(whole.labels[:], again.labels[:])

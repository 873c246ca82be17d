"""A cohort: slides that are passed by, failures that are tried again, full disks."""

import json

import numpy as np
import pytest
from PIL import Image

import wsiseg
from cohorts import OPTIONS, SLIDES, mend, recorded, run, statuses
from tiny import tiny_checkpoint
from wsiseg.segmentation import disk_need, segmenting
from wsiseg.segmentation.batch import make_jobs, segment_batch
from wsiseg.segmentation.forecasting import plan_cohort
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.store.disk import translate_write_errors


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

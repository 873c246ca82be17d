"""Slides of a batch, of which the next one is made ready while the last pixels are written."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny import tiny_checkpoint
from wsiseg.errors import ArgumentError, OutputError
from wsiseg.segmentation import executing, segmenting
from wsiseg.segmentation.batch import segment_batch
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.memory import NEXT_SLIDE_BYTES
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import make_plan
from wsiseg.segmentation.prefetching import SlidePrefetcher
from wsiseg.segmentation.segmenting import make_predictor, segment_slide
from wsiseg.segmentation.slide_jobs import SlideJob
from wsiseg.store import outputs
from wsiseg.throughput.recorder import rows_from_csv
from wsiseg.tiling import Slide, open_slide


def run_batch(slides, folder, options, listener=None):
    return list(
        segment_batch(slides, tiny_checkpoint(), folder, listener=listener, **dict(options))
    )


@pytest.fixture
def slides(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        Image.fromarray(pixels).save(path)
    paths[1].write_bytes(b"no picture")
    return paths


class Hearing(Listener):
    """Takes down what is opened; the first pyramid waits for the second slide."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.opened = threading.Event()

    def opening(self, job: SlideJob) -> Slide:
        where = "ahead" if threading.current_thread() is not threading.main_thread() else "now"
        self.events.append(f"{job.slide.name} {where}")
        self.opened.set()
        return open_slide(job.slide)

    def expects(self, tiles: int) -> None:
        self.opened.clear()

    def began(self, stage: str) -> None:
        if stage == "building the pyramid" and len(self.events) == 1:
            assert self.opened.wait(30)


def test_the_next_slide_is_opened_while_the_last_pixels_are_written(slides, tmp_path, monkeypatch):
    hearing = Hearing()
    monkeypatch.setattr(executing, "open_job", hearing.opening)
    options = SegmentOptions(level=0, tissue="none")
    entries = run_batch(slides, tmp_path / "out", options, hearing)
    # The second cannot be opened, which it is told of at its turn.
    assert [entry["status"] for entry in entries] == ["ok", "failed", "ok"]
    assert hearing.events == ["a.png now", "b.png ahead", "c.png now"]


def test_a_slide_opened_ahead_is_closed_if_it_is_not_wanted(slides, tmp_path, monkeypatch):
    closed = []

    def opening(job: SlideJob) -> Slide:
        slide = open_slide(job.slide)
        close = slide.close
        monkeypatch.setattr(slide, "close", lambda: (closed.append(job.slide.name), close()))
        return slide

    monkeypatch.setattr(executing, "open_job", opening)
    entries = segment_batch([slides[0], slides[2]], tiny_checkpoint(), tmp_path / "out", level=0)
    assert next(entries)["status"] == "ok"
    entries.close()
    assert closed == ["a.png", "c.png"]


def test_a_budget_without_room_for_two_slides_opens_them_one_by_one(slides, tmp_path, monkeypatch):
    hearing = Hearing()
    monkeypatch.setattr(executing, "open_job", hearing.opening)
    options = SegmentOptions(level=0, tissue="none", runtime="torch")
    predictor = make_predictor(tiny_checkpoint(), options)
    with open_slide(slides[0]) as slide:
        alone = make_plan(slide, predictor, options)
        tight = options.replace(memory=alone.memory.total + NEXT_SLIDE_BYTES - 1)
        roomy = options.replace(memory=alone.memory.total + NEXT_SLIDE_BYTES)
        plans = [
            make_plan(slide, predictor, each, prefetch=prefetch)
            for each, prefetch in ((tight, True), (roomy, False), (roomy, True))
        ]
    assert [plan.memory.next_slide for plan in plans] == [0, 0, NEXT_SLIDE_BYTES]
    assert plans[2].memory.total == roomy.memory
    assert all((plan.cover, plan.windows) == (alone.cover, alone.windows) for plan in plans)
    run_batch(slides, tmp_path / "out", tight)
    assert hearing.events == ["a.png now", "b.png now", "c.png now"]


def test_what_a_slide_took_before_its_turn_counts_as_its_own(slides, tmp_path):
    def slowly(path: Path) -> Slide:
        time.sleep(0.05)
        return open_slide(path)

    def look(*_: object) -> None:
        time.sleep(0.05)

    with SlidePrefetcher([slides[0], slides[2]], slowly, look) as ahead:
        with ahead.next() as ready:
            assert ready.seconds >= 0.05
            assert not ahead.is_last
            ahead.prefetch_next()
        with ahead.next() as ready:
            assert ready.seconds >= 0.1
            assert ahead.is_last
    options = SegmentOptions(level=0, tissue="none")
    predictor = make_predictor(tiny_checkpoint(), options)
    with open_slide(slides[0]) as slide:
        result = segment_slide(slide, predictor, tmp_path, options, Listener(), elapsed=1000.0)
    assert result.summary["seconds"] >= 1000
    assert rows_from_csv(tmp_path / "a.tiles.csv")[-1].finished_s >= 1000


def test_a_refused_run_leaves_the_record_of_the_one_before(slides, tmp_path):
    options = SegmentOptions(level=0, tissue="none")
    run_batch(slides[:1], tmp_path / "out", options)
    record = (tmp_path / "out" / "batch.json").read_text()
    (entry,) = run_batch(slides[:1], tmp_path / "out", options)
    assert entry["status"] == "failed"
    assert (tmp_path / "out" / "batch.json").read_text() == record
    # With another slide, that one's entry is added, and the first one's is still of its mask.
    run_batch([slides[0], slides[2]], tmp_path / "out", options)
    kept = json.loads((tmp_path / "out" / "batch.json").read_text())["slides"]
    assert [each["status"] for each in kept] == ["ok", "ok"]
    assert kept[0] == json.loads(record)["slides"][0]


def segment_all(slides, folder, listener=None, **options):
    settings = SegmentOptions(**{"tissue": "none", "runtime": "torch", "level": 0, **options})
    return run_batch(slides, folder, settings, listener)


def recorded(folder):
    return [each["status"] for each in json.loads((folder / "batch.json").read_text())["slides"]]


@pytest.mark.parametrize("error", [RuntimeError("boom"), MemoryError(), RecursionError("deep")])
def test_whatever_one_slide_stumbles_over_the_others_go_on(slides, tmp_path, monkeypatch, error):
    make = segmenting.make_plan

    def stumble(slide, *arguments, **settings):
        if slide.name == "a":
            raise error
        return make(slide, *arguments, **settings)

    monkeypatch.setattr(segmenting, "make_plan", stumble)
    entries = segment_all(slides, tmp_path / "out")
    assert [entry["status"] for entry in entries] == ["failed", "failed", "ok"]
    assert entries[0]["error"] == f"unexpected {type(error).__name__}: {error}"
    assert recorded(tmp_path / "out") == ["failed", "failed", "ok"]
    # One alone leaves its entry, too: that is no refusal.
    segment_all(slides[:1], tmp_path / "alone")
    assert recorded(tmp_path / "alone") == ["failed"]


class Failing(Listener):
    def __init__(self):
        self.heard = []

    def began(self, stage):
        self.heard.append(stage)

    def failed(self, path, error):
        self.heard.append(path.name)


@pytest.mark.parametrize("name", ["n" * 245, "ä" * 118])
def test_a_name_that_is_too_long_is_said_before_the_run(slides, tmp_path, name):
    long = slides[0].rename(slides[0].with_name(f"{name}.png"))
    failing = Failing()
    entries = segment_all([slides[2], long], tmp_path / "out", failing)
    assert failing.heard[0] == long.name
    assert [entry["status"] for entry in entries] == ["ok", "failed"]
    assert "name is too long" in entries[1]["error"]
    assert recorded(tmp_path / "out") == ["ok", "failed"]


def test_the_longest_name_is_segmented_with_all_there_is(slides, tmp_path):
    longest = 255 - len(".probabilities.ome.zarr")
    long = slides[0].rename(slides[0].with_name(f"{'n' * longest}.png"))
    (entry,) = segment_all([long], tmp_path / "out", probabilities=True, with_image=True)
    assert entry["status"] == "ok"


def test_what_makes_no_sense_for_one_slide_does_not_end_the_others(slides, tmp_path, monkeypatch):
    make = segmenting.make_plan

    def refuse(slide, *arguments, **settings):
        if slide.name in unwanted:
            raise ArgumentError("there is no such level", "`level`")
        return make(slide, *arguments, **settings)

    monkeypatch.setattr(segmenting, "make_plan", refuse)
    both = [slides[0], slides[2]]
    unwanted = {"a"}
    entries = segment_all(both, tmp_path / "some")
    assert [entry["status"] for entry in entries] == ["failed", "ok"]
    assert sorted(recorded(tmp_path / "some")) == ["failed", "ok"]
    unwanted = {"a", "c"}
    for wrong in (both, both[:1]):
        with pytest.raises(ArgumentError, match="no such level"):
            segment_all(wrong, tmp_path / "deep" / "none")
    assert not (tmp_path / "deep").exists()


def test_later_calls_add_their_slides_to_the_record(slides, tmp_path):
    segment_all(slides[:2], tmp_path / "out")
    segment_all([slides[2]], tmp_path / "out")
    segment_all([slides[0]], tmp_path / "out", overwrite=True, halo=8)
    assert recorded(tmp_path / "out") == ["ok", "failed", "ok"]


@pytest.mark.parametrize("below", ["a.png", "a.png/deeper", None])
def test_a_folder_that_cannot_be_written_is_found_before_anything_is_done(
    slides, tmp_path, monkeypatch, below
):
    opened = []
    monkeypatch.setattr(executing, "open_job", opened.append)
    # The kernel's own folder takes nobody's files, whoever requests.
    folder = Path("/proc/self/out") if below is None else tmp_path / below
    if below is None and not Path("/proc/self").exists():
        pytest.skip("only Linux has a folder, /proc, in which nobody can write")
    with pytest.raises(OutputError, match="output"):
        segment_all(slides, folder)
    assert not opened


def test_names_that_differ_in_case_only_need_a_folder_that_tells_them_apart(
    slides, tmp_path, monkeypatch
):
    upper = tmp_path / "A.png"
    upper.write_bytes(slides[0].read_bytes())
    monkeypatch.setattr(outputs, "is_case_insensitive", lambda _: True)
    with pytest.raises(ArgumentError, match="same files"):
        segment_all([slides[0], upper], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    entries = segment_all([slides[0], upper], tmp_path / "out")
    assert [entry["status"] for entry in entries] == ["ok", "ok"]

"""Slides of a batch, of which the next one is made ready while the last pixels are written."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny import tiny_checkpoint
from wsiseg.segmentation import batch
from wsiseg.segmentation.batch import segment_batch
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.memory import NEXT_SLIDE_BYTES
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import make_plan
from wsiseg.segmentation.segmenting import make_predictor, segment_slide
from wsiseg.segmentation.slides_ahead import SlidesAhead
from wsiseg.throughput.recorder import rows_from_csv
from wsiseg.tiling import Slide, open_slide


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

    def opening(self, path: Path, reader: str | None = None, *, square: bool = True) -> Slide:
        where = "ahead" if threading.current_thread() is not threading.main_thread() else "now"
        self.events.append(f"{path.name} {where}")
        self.opened.set()
        return open_slide(path, reader)

    def expects(self, tiles: int) -> None:
        self.opened.clear()

    def began(self, stage: str) -> None:
        if stage == "building the pyramid" and len(self.events) == 1:
            assert self.opened.wait(30)


def test_the_next_slide_is_opened_while_the_last_pixels_are_written(slides, tmp_path, monkeypatch):
    hearing = Hearing()
    monkeypatch.setattr(batch, "open_slide", hearing.opening)
    options = SegmentOptions(level=0, tissue="none")
    predictor = make_predictor(tiny_checkpoint(), options)
    entries = list(segment_batch(slides, predictor, tmp_path / "out", options, hearing))
    # The second cannot be opened, which it is told of at its turn.
    assert [entry["status"] for entry in entries] == ["ok", "failed", "ok"]
    assert hearing.events == ["a.png now", "b.png ahead", "c.png now"]


def test_a_slide_opened_ahead_is_closed_if_it_is_not_wanted(slides, tmp_path, monkeypatch):
    closed = []

    def opening(path: Path, reader: str | None = None, *, square: bool = True) -> Slide:
        slide = open_slide(path, reader)
        close = slide.close
        monkeypatch.setattr(slide, "close", lambda: (closed.append(path.name), close()))
        return slide

    monkeypatch.setattr(batch, "open_slide", opening)
    options = SegmentOptions(level=0)
    predictor = make_predictor(tiny_checkpoint(), options)
    entries = segment_batch(
        [slides[0], slides[2]], predictor, tmp_path / "out", options, Listener()
    )
    assert next(entries)["status"] == "ok"
    entries.close()
    assert closed == ["a.png", "c.png"]


def test_a_budget_without_room_for_two_slides_opens_them_one_by_one(slides, tmp_path, monkeypatch):
    hearing = Hearing()
    monkeypatch.setattr(batch, "open_slide", hearing.opening)
    options = SegmentOptions(level=0, tissue="none")
    predictor = make_predictor(tiny_checkpoint(), options)
    with open_slide(slides[0]) as slide:
        alone = make_plan(slide, predictor, options)
        tight = replace(options, memory=alone.memory.total + NEXT_SLIDE_BYTES - 1)
        roomy = replace(options, memory=alone.memory.total + NEXT_SLIDE_BYTES)
        plans = [
            make_plan(slide, predictor, each, followed=followed)
            for each, followed in ((tight, True), (roomy, False), (roomy, True))
        ]
    assert [plan.memory.next_slide for plan in plans] == [0, 0, NEXT_SLIDE_BYTES]
    assert plans[2].memory.total == roomy.memory
    assert all((plan.grid, plan.windows) == (alone.grid, alone.windows) for plan in plans)
    list(segment_batch(slides, predictor, tmp_path / "out", tight, Listener()))
    assert hearing.events == ["a.png now", "b.png now", "c.png now"]


def test_what_a_slide_took_before_its_turn_counts_as_its_own(slides, tmp_path):
    def slowly(path: Path) -> Slide:
        time.sleep(0.05)
        return open_slide(path)

    def look(_: Slide) -> None:
        time.sleep(0.05)

    with SlidesAhead([slides[0], slides[2]], slowly, look) as ahead:
        with ahead.next() as ready:
            assert ready.seconds >= 0.05
            assert not ahead.is_last
            ahead.begin_next()
        with ahead.next() as ready:
            assert ready.seconds >= 0.1
            assert ahead.is_last
    options = SegmentOptions(level=0, tissue="none")
    predictor = make_predictor(tiny_checkpoint(), options)
    with open_slide(slides[0]) as slide:
        result = segment_slide(slide, predictor, tmp_path, options, Listener(), spent=1000.0)
    assert result.summary["seconds"] >= 1000
    assert rows_from_csv(tmp_path / "a.tiles.csv")[-1].finished_s >= 1000


def test_a_refused_run_leaves_the_record_of_the_one_before(slides, tmp_path):
    options = SegmentOptions(level=0, tissue="none")
    predictor = make_predictor(tiny_checkpoint(), options)
    list(segment_batch(slides[:1], predictor, tmp_path / "out", options, Listener()))
    record = (tmp_path / "out" / "batch.json").read_text()
    (entry,) = segment_batch(slides[:1], predictor, tmp_path / "out", options, Listener())
    assert entry["status"] == "failed"
    assert (tmp_path / "out" / "batch.json").read_text() == record
    # With another slide, both are in the new one.
    list(segment_batch([slides[0], slides[2]], predictor, tmp_path / "out", options, Listener()))
    kept = json.loads((tmp_path / "out" / "batch.json").read_text())["slides"]
    assert [each["status"] for each in kept] == ["failed", "ok"]

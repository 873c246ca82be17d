"""Slides of a batch, of which the next one is made ready while the last pixels are written."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny import tiny_checkpoint
from wsiseg import batch
from wsiseg.batch import segment_batch
from wsiseg.listener import Listener
from wsiseg.options import SegmentOptions
from wsiseg.segmenting import make_predictor
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

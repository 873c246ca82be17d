"""Runs to report on, small and with everything that comes up."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import wsiseg
from pictures import write_slide
from tiny import named_checkpoint
from wsiseg.segmentation.listener import Listener

HOSTILE = '"><img src=x onerror=alert(1)> & `mpp`'
NAMES = ("glass", "</script><b>gland</b>", "tumour")
OPTIONS = {"tissue": "none", "runtime": "torch", "tile": 256, "halo": 8}


@dataclass(frozen=True)
class Cohort:
    """Slides, and what `wsiseg segment` left of them."""

    slides: Path
    runs: Path


class StopAfter(Listener):
    def __init__(self, tiles):
        self.left = tiles

    def advanced(self, pixels):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def make_checkpoint():
    return named_checkpoint(NAMES, mpp=0.5)


def draw_slide(path, height, width, seed=0):
    """Write a slide of blots of which the network makes all classes."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (-(-height // 40), -(-width // 40), 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_slide(path, np.kron(coarse, np.ones((40, 40, 1), np.uint8))[:height, :width])
    return path


def segment_drawn(slide, folder, **options):
    return wsiseg.segment(slide, make_checkpoint(), folder, **OPTIONS | options)


def interrupt(slide, folder, tiles=11):
    with pytest.raises(KeyboardInterrupt):
        segment_drawn(slide, folder, listener=StopAfter(tiles))


def make_cohort(slides, runs):
    """Segment two slides, fail with one, and stop at another."""
    draw_slide(slides / "one.tiff", 700, 1210)
    draw_slide(slides / f"{HOSTILE}.tiff", 500, 300, seed=1)
    (slides / "broken.tiff").write_bytes(b"II*\0 no more")
    entries = list(wsiseg.segment_batch(slides, make_checkpoint(), runs, **OPTIONS))
    assert sorted(entry["status"] for entry in entries) == ["failed", "ok", "ok"]
    interrupt(draw_slide(slides / "tall.tiff", 2600, 300, seed=2), runs)
    return Cohort(slides, runs)

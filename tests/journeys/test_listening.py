"""Who listens to a run hears every tile with its labels, and at the end what the run file says."""

import json

import numpy as np
import pytest
from PIL import Image

import wsiseg
from tiny import tiny_checkpoint
from wsiseg.segmentation.listener import Listener


class Collect(Listener):
    def __init__(self):
        self.heard = []
        self.runs = []

    def labelled(self, tile, prediction):
        self.heard.append((tile, prediction))

    def finished(self, run):
        self.runs.append(run)


@pytest.mark.parametrize("probabilities", [False, True])
def test_every_tile_is_heard_with_its_labels(tmp_path, probabilities):
    pixels = np.random.default_rng(2).integers(0, 256, (700, 500, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    listener = Collect()
    result = wsiseg.segment(
        tmp_path / "noise.png",
        tiny_checkpoint(),
        tmp_path / "out",
        listener=listener,
        level=0,
        tissue="none",
        runtime="torch",
        tile=256,
        halo=8,
        probabilities=probabilities,
    )
    assert len(listener.heard) == result.summary["tiles"]
    labels = result.labels[:]
    for tile, prediction in listener.heard:
        rows, columns = tile.core.slices_in(tile.box)
        found = labels[tile.core.y : tile.core.bottom, tile.core.x : tile.core.right]
        np.testing.assert_array_equal(prediction.labels[rows, columns], found)
        assert (prediction.probabilities is not None) == probabilities


def test_the_run_file_is_heard_when_a_slide_is_done_and_when_it_was_done_before(tmp_path):
    pixels = np.random.default_rng(3).integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    listener = Collect()
    for resume in (False, True):
        wsiseg.segment(
            tmp_path / "noise.png",
            tiny_checkpoint(),
            tmp_path / "out",
            listener=listener,
            level=0,
            tissue="none",
            runtime="torch",
            resume=resume,
        )
    written = json.loads((tmp_path / "out" / "noise.run.json").read_text())
    assert [json.loads(json.dumps(run)) for run in listener.runs] == [written, written]

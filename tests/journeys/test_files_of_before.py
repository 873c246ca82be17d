"""Masks, journals, run files and checkpoints that the first version wrote are read as they were.

``written_before.zip`` holds a slide, a checkpoint, a finished run, and one that was interrupted
after its first band.
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

import wsiseg
from tiny import tiny_checkpoint
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.provenance import read_run
from wsiseg.store.label_images import open_label_image

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "written_before.zip"
OPTIONS = {
    "level": 0,
    "tissue": "none",
    "runtime": "torch",
    "tile": 256,
    "halo": 8,
    "probabilities": True,
}


@pytest.fixture
def before(tmp_path):
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def arrays_of(folder):
    stores = (folder / "tall.ome.zarr", folder / "tall.probabilities.ome.zarr")
    return [zarr.open_array(store / "0", mode="r")[...] for store in stores]


def test_a_checkpoint_is_the_same_network(before):
    loaded, made = wsiseg.load_checkpoint(before / "tiny.safetensors"), tiny_checkpoint()
    assert loaded.sha256 == made.sha256
    assert loaded.card == made.card


def test_a_finished_run_is_read_and_not_done_again(before):
    run = read_run(before / "finished" / "tall.run.json")
    image = open_label_image(before / "finished" / "tall.ome.zarr")
    labels = np.asarray(image.levels[0])
    counts = np.bincount(labels.ravel(), minlength=5)
    assert [entry["pixels"] for entry in run["summary"]["classes"]] == counts.tolist()
    assert [entry.name for _, entry in sorted(image.classes.items())][:5] == [
        f"class {index}" for index in range(5)
    ]
    written = (before / "finished" / "tall.run.json").stat().st_mtime_ns
    result = wsiseg.segment(
        before / "tall.png",
        before / "tiny.safetensors",
        before / "finished",
        resume=True,
        **OPTIONS,
    )
    assert result.summary == run["summary"]
    assert (before / "finished" / "tall.run.json").stat().st_mtime_ns == written


def test_an_interrupted_run_goes_on_to_the_same_bits(before):
    class Recalled(Listener):
        bands = 0

        def resumed(self, box, labels):
            self.bands += 1

    listener = Recalled()
    wsiseg.segment(
        before / "tall.png",
        before / "tiny.safetensors",
        before / "interrupted",
        listener=listener,
        resume=True,
        **OPTIONS,
    )
    assert listener.bands == 1
    for now, then in zip(
        arrays_of(before / "interrupted"), arrays_of(before / "finished"), strict=True
    ):
        np.testing.assert_array_equal(now, then)
    rows = (before / "interrupted" / "tall.tiles.csv").read_text().splitlines()
    assert len(rows) == len((before / "finished" / "tall.tiles.csv").read_text().splitlines())

"""Masks of slides on which tissue is rare: boxes fitted to it give what the whole slide gives."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from PIL import Image

import wsiseg
from tiny import REACH, label_whole, tiny_checkpoint
from wsiseg.segmentation import covering, target
from wsiseg.segmentation.listener import Listener
from wsiseg.store.arrays import BAND_HEIGHT
from wsiseg.tiling.bands import NO_LABEL

HEIGHT, WIDTH, EDGE = 1700, 700, 32


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks and boxes that suit a small slide."""
    monkeypatch.setattr(target, "BLOCK_EDGE", EDGE)
    monkeypatch.setattr(covering, "FITTED_EDGES", (256, 160))
    monkeypatch.setattr(covering, "FITTED_BLEND_HALO", 16)
    monkeypatch.setattr(covering, "_SHAPE_COST", 1000)


@pytest.fixture
def slide(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "slide.png")
    tissue = np.zeros((HEIGHT, WIDTH), np.uint8)
    for y in range(100, 1600):
        tissue[y, 100 + y // 5 : 260 + y // 5] = 255
    tissue[1300:1340, 20:60] = 255
    Image.fromarray(tissue).save(tmp_path / "tissue.png")
    return tmp_path / "slide.png"


def run(slide: Path, folder: str, listener: Listener | None = None, **options: object):
    settings = {"level": 0, "runtime": "torch", "tissue": str(slide.with_name("tissue.png"))}
    return wsiseg.segment(
        slide,
        tiny_checkpoint(mpp=None),
        slide.with_name(folder),
        listener=listener,
        **settings | options,
    )


def wanted(slide: Path) -> np.ndarray:
    """Return the pixels of the blocks that meet tissue."""
    tissue = np.asarray(Image.open(slide.with_name("tissue.png"))) > 0
    rows, columns = -(-HEIGHT // EDGE), -(-WIDTH // EDGE)
    padded = np.zeros((rows * EDGE, columns * EDGE), bool)
    padded[:HEIGHT, :WIDTH] = tissue
    met = padded.reshape(rows, EDGE, columns, EDGE).any(axis=(1, 3))
    return met.repeat(EDGE, axis=0).repeat(EDGE, axis=1)[:HEIGHT, :WIDTH]


def test_blocks_with_tissue_have_the_labels_of_the_whole_slide_and_no_others(slide):
    result = run(slide, "out")
    whole = label_whole(tiny_checkpoint(), torch.tensor(np.array(Image.open(slide)))).numpy()
    expected = np.where(wanted(slide), whole, NO_LABEL)
    np.testing.assert_array_equal(result.labels[:], expected)
    plan = json.loads((slide.with_name("out") / "slide.run.json").read_text())["plan"]
    assert plan["analysed_pixels"] == wanted(slide).sum()
    assert plan["computed_pixels"] < 2 * plan["analysed_pixels"]
    assert result.summary["computed_megapixels"] * 1e6 == plan["computed_pixels"]
    assert result.summary["megapixels"] * 1e6 == wanted(slide).sum()


@pytest.mark.parametrize("tile", [64, 256])
def test_what_is_analysed_does_not_depend_on_the_tiles(slide, tile):
    fitted = run(slide, "fitted").labels[:]
    gridded = run(slide, "gridded", tile=tile, halo=REACH).labels[:]
    np.testing.assert_array_equal(fitted, gridded)


@pytest.mark.parametrize("blend", ["crop", "gaussian"])
def test_readers_and_threads_change_no_bit(slide, blend):
    first = run(slide, "first", blend=blend, probabilities=True)
    other = run(slide, "other", blend=blend, probabilities=True, readers=3, threads=1)
    for path in ("slide.ome.zarr/0", "slide.probabilities.ome.zarr/0"):
        ours, theirs = (
            zarr.open_array(each.mask.parent / path, mode="r")[...] for each in (first, other)
        )
        np.testing.assert_array_equal(ours, theirs)


def test_tiles_that_go_through_the_network_together_are_of_one_shape(slide):
    alone, batched = run(slide, "alone").labels[:], run(slide, "batched", batch=3)
    np.testing.assert_array_equal(batched.labels[:], alone)
    identity = json.loads((batched.mask.parent / "slide.run.json").read_text())["identity"]
    assert len(identity["tile"]["shapes"]) == 1


def test_an_interrupted_run_goes_on_to_the_same_bits(slide):
    class Stop(Listener):
        tiles = resumed_bands = 0

        def labelled(self, tile, prediction):
            self.tiles += 1
            if not self.resumed_bands and tile.core.y > BAND_HEIGHT:
                raise KeyboardInterrupt

        def resumed(self, box, labels):
            self.resumed_bands += 1

    expected = run(slide, "whole").labels[:]
    with pytest.raises(KeyboardInterrupt):
        run(slide, "stopped", Stop())
    resumed = Stop()
    result = run(slide, "stopped", resumed, resume=True)
    np.testing.assert_array_equal(result.labels[:], expected)
    assert resumed.resumed_bands == 1
    assert 0 < resumed.tiles < result.summary["tiles"]

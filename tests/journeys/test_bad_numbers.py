"""A network that gives NaN or infinity, from the slide to the mask."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from torch import Tensor, nn

from array_slide import ArraySlide
from tiny import tiny_checkpoint
from wsiseg.errors import BadNumbersError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.segmenting import segment
from wsiseg.throughput.recorder import rows_from_csv
from wsiseg.tiling.bands import NO_LABEL

SHAPE = (600, 500)


class Overflowing(SegmentationNetwork):
    """Gives the three channels as logits, infinite for values above 170."""

    input_multiple = 4

    def __init__(self) -> None:
        super().__init__(3)
        self.scale = nn.Parameter(torch.full((3, 1, 1), 2e36))

    def dense(self, x: Tensor) -> Tensor:
        return x * self.scale


def overflowing() -> Checkpoint:
    return Checkpoint(tiny_checkpoint(classes=3, mpp=None).card, Overflowing())


def spotted() -> tuple[ArraySlide, np.ndarray]:
    """Return a slide, and which of its pixels the network gives no numbers for."""
    random = np.random.default_rng(0)
    pixels = random.integers(1, 100, (*SHAPE, 3), np.uint8)
    bad = random.random(SHAPE) < 0.01
    pixels[bad, 1] = 255
    return ArraySlide(pixels, mpp=0.5), bad


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
@pytest.mark.parametrize("blend", ["crop", "gaussian", "cosine"])
def test_pixels_without_numbers_are_not_analysed_counted_and_said(
    tmp_path: Path, runtime: str, blend: str
) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    slide, bad = spotted()
    result = segment(
        slide,
        overflowing(),
        tmp_path,
        level=0,
        tissue="none",
        tile=128,
        halo=16,
        blend=blend,
        runtime=runtime,
        probabilities=True,
    )
    np.testing.assert_array_equal(result.labels[:] == NO_LABEL, bad)
    (kept,) = tmp_path.glob("*.probabilities.ome.zarr")
    probabilities = zarr.open_array(kept / "0", mode="r")[:]
    np.testing.assert_array_equal(~probabilities.any(axis=0), bad)
    assert result.summary["pixels_without_numbers"] == bad.sum()
    assert sum(entry["pixels"] for entry in result.summary["classes"]) == (~bad).sum()
    (table,) = tmp_path.glob("*.tiles.csv")
    rows = rows_from_csv(table)
    assert sum(row.without_numbers for row in rows) == bad.sum()
    (run_file,) = tmp_path.glob("*.run.json")
    (said,) = [w for w in json.loads(run_file.read_text())["warnings"] if "NaN or infinity" in w]
    assert f"for {bad.sum()} pixels" in said
    assert said in result.summary["warnings"]


def test_the_slide_fails_at_once_if_that_is_wanted(tmp_path: Path) -> None:
    slide, _ = spotted()
    options = {"level": 0, "tissue": "none", "runtime": "torch"}
    with pytest.raises(BadNumbersError, match="NaN or infinity"):
        segment(slide, overflowing(), tmp_path, on_bad_numbers="fail", **options)
    assert not list(tmp_path.glob("*.run.json"))


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_one_bad_weight_makes_no_class(tmp_path: Path, runtime: str) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    checkpoint = tiny_checkpoint(mpp=None)
    with torch.no_grad():
        checkpoint.network.get_parameter("down.weight").view(-1)[0] = torch.nan
    slide, _ = spotted()
    result = segment(slide, checkpoint, tmp_path, level=0, tissue="none", tile=128, runtime=runtime)
    assert (result.labels[:] == NO_LABEL).all()
    assert result.summary["pixels_without_numbers"] == SHAPE[0] * SHAPE[1]


class _Killed(Listener):
    """Ends the run once the first band is on the disk, and late tiles wait for that."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._pixels = 0

    def advanced(self, pixels: int) -> None:
        self._pixels += pixels
        late = time.monotonic() + 60 if self._pixels > 1_800 * 200 else 0
        while not self._is_written() and time.monotonic() < late:
            time.sleep(0.01)
        if self._is_written():
            raise KeyboardInterrupt

    def _is_written(self) -> bool:
        return self._journal.exists() and len(self._journal.read_text().splitlines()) > 1


def test_what_was_counted_before_a_kill_still_counts(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(1, 100, (2600, 200, 3), np.uint8)
    # A tile lies across the end of the first band; only its upper part is bad.
    bad = np.zeros((2600, 200), bool)
    bad[950:1000, 20:60] = True
    pixels[bad, 1] = 255
    options = {"level": 0, "tissue": "none", "tile": 256, "halo": 8, "runtime": "torch"}
    killed = _Killed(tmp_path / "array.journal")
    with pytest.raises(KeyboardInterrupt):
        segment(ArraySlide(pixels), overflowing(), tmp_path, listener=killed, **options)
    again = segment(ArraySlide(pixels), overflowing(), tmp_path, resume=True, **options)
    assert np.array_equal(again.labels[:] == NO_LABEL, bad)
    assert again.summary["pixels_without_numbers"] == bad.sum()
    assert any("gave NaN or infinity for 2000 pixels" in text for text in again.summary["warnings"])

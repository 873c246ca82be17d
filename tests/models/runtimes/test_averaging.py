"""Averaging over orientations is the mean of the runs by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wsiseg.classes import numbered_classes
from wsiseg.models import create_model
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.outputs import Output
from wsiseg.models.runtimes import RUNTIMES, Predictor, choose_runtime

BOTH: tuple[Output, ...] = ("labels", "probabilities")
# ONNX takes seconds to write a network.
QUICK = ["torch", "openvino", pytest.param("onnx", marks=pytest.mark.long)]
PLAIN = Normalisation(mean=(0, 0, 0), std=(1, 1, 1), divide_first=255)


class Lopsided(SegmentationNetwork):
    """Looks to the right and down only, so that every orientation gives something else."""

    input_multiple = 1

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        torch.manual_seed(3)
        self.head = nn.Conv2d(3, classes, (2, 4), bias=False)
        with torch.no_grad():
            self.head.weight.mul_(12)

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(nn.functional.pad(x, (0, 3, 0, 1)))
        return logits


class Upright(Lopsided):
    turnable = False


class PixelByPixel(Lopsided):
    """Equivariant: a pixel's class depends on nothing but itself."""

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.head.weight[:, :, :1, :1]
        return nn.functional.conv2d(x, weight)


class Divided(PixelByPixel):
    """Gives no number where the first channel is 1."""

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        return super().dense(x) / (1 - x[:, :1])


def predictor(network: SegmentationNetwork, runtime: str = "torch") -> Predictor:
    for package in RUNTIMES[runtime].packages:
        pytest.importorskip(package, reason="runtimes are extras")
    entries = tuple(
        ClassEntry(name=c.name, colour=c.colour) for c in numbered_classes(network.classes)
    )
    card = CheckpointCard(architecture="espnet", classes=entries, normalisation=PLAIN)
    return Predictor(Checkpoint(card, network.eval()), choose_runtime(runtime, "cpu", threads=1))


def averaged(
    network: SegmentationNetwork, tiles: np.ndarray, runtime: str = "torch", *, tta: bool = True
) -> dict[str, Any]:
    batch, *tile, _ = tiles.shape
    runner = predictor(network, runtime).prepare_runtimes(
        [(tile[0], tile[1])], batch, BOTH, tta=tta
    )[tile[0], tile[1]]
    assert runner.outputs == BOTH
    assert (runner.settings.tile, runner.settings.batch) == (tuple(tile), batch)
    return runner.run(tiles)


def by_hand(network: SegmentationNetwork, tiles: np.ndarray, times: tuple[int, ...]) -> np.ndarray:
    """Return the mean of the softmax over turns of the tiles and of their mirror images."""
    shares = []
    for mirrored in (False, True):
        pictures = tiles[:, :, ::-1] if mirrored else tiles
        for quarter in times:
            turned = np.ascontiguousarray(np.rot90(pictures, quarter, (1, 2)))
            with torch.no_grad():
                logits = network(PLAIN.apply(torch.from_numpy(turned)))
            back = np.rot90(logits.double().softmax(1).numpy(), -quarter, (2, 3))
            shares.append(back[..., ::-1] if mirrored else back)
    return np.mean(shares, axis=0)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*shape, 3), np.uint8)


@pytest.mark.parametrize("runtime", QUICK)
@pytest.mark.parametrize("kind", [Lopsided, Upright])
@pytest.mark.parametrize("shape", [(2, 24, 24), (1, 16, 40)])
def test_labels_and_probabilities_are_those_of_the_mean_of_all_orientations(
    runtime: str, kind: type[Lopsided], shape: tuple[int, int, int]
) -> None:
    network, tiles = kind(4), noise(*shape)
    found = averaged(network, tiles, runtime)
    mean = by_hand(network, tiles, (0, 2) if kind is Upright else (0, 1, 2, 3))
    assert np.abs(found["probabilities"] - 255 * mean).max() <= 0.5 + 1e-3
    ranked = np.sort(mean, axis=1)
    settled = ranked[:, -1] - ranked[:, -2] > 1e-5
    assert settled.mean() > 0.99
    assert (found["labels"] == mean.argmax(1))[settled].all()
    # That the test can fail: a single look gives others.
    assert (averaged(network, tiles, runtime, tta=False)["labels"] != found["labels"]).any()


@pytest.mark.parametrize("runtime", QUICK)
def test_an_equivariant_network_gives_the_same_as_without(runtime: str) -> None:
    tiles = noise(2, 24, 40)
    alone = averaged(PixelByPixel(5), tiles, runtime, tta=False)
    together = averaged(PixelByPixel(5), tiles, runtime)
    assert len(np.unique(alone["labels"])) > 1
    for output in BOTH:
        np.testing.assert_array_equal(together[output], alone[output])


@pytest.mark.parametrize("runtime", QUICK)
def test_pixels_without_numbers_are_told(runtime: str) -> None:
    tiles = noise(1, 16, 24)
    tiles[0, 3, 5, 0] = tiles[0, 10, 20, 0] = 255
    found = averaged(Divided(3), tiles, runtime)
    bad = tiles[..., 0] == 255
    np.testing.assert_array_equal(found["labels"] == 255, bad)
    np.testing.assert_array_equal(~found["probabilities"].any(axis=1), bad)


def test_a_tile_is_the_same_in_any_batch() -> None:
    torch.manual_seed(0)
    network, tiles = create_model("espnet", 4, alpha2=1, alpha3=1), noise(3, 32, 48)
    together = averaged(network, tiles)
    for index in range(3):
        alone = averaged(network, tiles[index : index + 1])
        for output in BOTH:
            difference = alone[output][0].astype(int) - together[output][index]
            assert np.abs(difference).max() <= (output == "probabilities")


def test_the_runtime_is_made_anew_where_averaging_begins_or_ends() -> None:
    held = predictor(Lopsided(3))
    first = held.prepare_runtimes([(16, 24)], 1, BOTH)[16, 24]
    second = held.prepare_runtimes([(16, 24)], 1, BOTH, tta=True)[16, 24]
    assert second is not first
    assert held.prepare_runtimes([(16, 24)], 1, BOTH, tta=True)[16, 24] is second
    assert len(held.orientations(tta=True)) == 8
    assert len(held.orientations(tta=False)) == 1
    assert len(predictor(Upright(3)).orientations(tta=True)) == 4

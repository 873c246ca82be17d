"""Small networks, started on any runtime."""

import numpy as np
import pytest
import torch
from torch import nn

from wsiseg.models import create_model
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET
from wsiseg.models.outputs import Output
from wsiseg.models.runtimes import RUNTIMES, Runtime, choose_runtime
from wsiseg.models.tile_network import TileNetwork

BOTH: tuple[Output, ...] = ("labels", "probabilities")


class Toy(SegmentationNetwork):
    """One 3×3 convolution."""

    input_multiple = 1

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.head = nn.Conv2d(3, classes, 3, padding=1)

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(x)
        return logits


def small(classes: int = 6, name: str = "espnet") -> SegmentationNetwork:
    torch.manual_seed(classes)
    return create_model(name, classes, alpha2=1, alpha3=1).eval()


def random_tiles(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (*shape, 3), dtype=np.uint8)


def needs(runtime: str) -> None:
    if not RUNTIMES[runtime].is_installed():
        pytest.skip(f"{runtime} is an extra, wsiseg[{RUNTIMES[runtime].extra}]")


def start(
    runtime: str,
    network: SegmentationNetwork,
    tile: tuple[int, int],
    batch: int,
    outputs: tuple[Output, ...] = BOTH,
    precision: str = "fp32",
) -> Runtime:
    needs(runtime)
    choice = choose_runtime(runtime, "cpu", precision, threads=2)
    return choice.compile(TileNetwork(network, IMAGENET, outputs).eval(), tile, batch)


def assert_agreeing(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    # Rounding decides where two classes are as likely as each other, and nowhere else.
    best, second = np.sort(one["probabilities"].astype(int), axis=1)[:, :-3:-1].swapaxes(0, 1)
    settled = best - second > 1
    assert (one["labels"] == other["labels"])[settled].all()
    assert (one["labels"] == other["labels"]).mean() >= 0.999
    difference = one["probabilities"].astype(int) - other["probabilities"].astype(int)
    assert np.abs(difference).max() <= 1

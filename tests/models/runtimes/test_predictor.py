"""The predictor: a checkpoint with the runtimes that it was prepared for."""

from collections.abc import Callable

import pytest
import torch

from lively import lively
from started import BOTH, Toy, assert_agreeing, random_tiles, small, start
from wsiseg.classes import numbered_classes
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.profiling import activation_bytes_per_pixel, count_parameters
from wsiseg.models.runtimes import Predictor, choose_runtime


def make_checkpoint(network: SegmentationNetwork, architecture: str = "espnet") -> Checkpoint:
    entries = tuple(
        ClassEntry(name=c.name, colour=c.colour) for c in numbered_classes(network.classes)
    )
    return Checkpoint(CheckpointCard(architecture=architecture, classes=entries), network)


@pytest.fixture
def predictor() -> Callable[[SegmentationNetwork], Predictor]:
    def make(network: SegmentationNetwork) -> Predictor:
        return Predictor(make_checkpoint(network), choose_runtime("torch", "cpu", threads=2))

    return make


def test_runtime_is_kept_for_the_same_shape_and_made_anew_for_another(
    predictor: Callable[[SegmentationNetwork], Predictor],
) -> None:
    held = predictor(Toy(3))
    first = held.prepare_runtimes([(16, 24)], 2, ("labels",))[16, 24]
    assert held.prepare_runtimes([(16, 24)], 2, ("labels",))[16, 24] is first
    for tile, batch, outputs in [
        ((24, 16), 2, ("labels",)),
        ((24, 16), 3, ("labels",)),
        ((24, 16), 3, BOTH),
    ]:
        other = held.prepare_runtimes([tile], batch, outputs)[tile]
        assert other is not first
        assert held.prepare_runtimes([tile], batch, outputs)[tile] is other
        assert (other.settings.tile, other.settings.batch) == (tile, batch)
        assert other.outputs == outputs
        first = other


def test_predictor_runs_the_checkpoint_with_its_normalisation(
    predictor: Callable[[SegmentationNetwork], Predictor],
) -> None:
    held = predictor(small())
    tiles = random_tiles(2, 40, 64)
    result = held.prepare_runtimes([(40, 64)], 2, BOTH)[40, 64].run(tiles)
    with torch.no_grad():
        logits = held.checkpoint.network(held.checkpoint.preprocess(torch.from_numpy(tiles)))
    expected = {
        "labels": logits.argmax(dim=1).numpy(),
        "probabilities": (255 * logits.softmax(dim=1)).round().numpy(),
    }
    assert_agreeing(result, expected)


def test_predictor_runs_as_few_layers_as_there_can_be(
    predictor: Callable[[SegmentationNetwork], Predictor],
) -> None:
    network = lively("rdrnet-s-simple", 5)
    held = predictor(network)
    assert held.folded is held.folded
    assert count_parameters(held.folded) < count_parameters(network)
    tiles = random_tiles(1, 64, 128)
    plain = start("torch", network, (64, 128), 1).run(tiles)
    assert_agreeing(held.prepare_runtimes([(64, 128)], 1, BOTH)[64, 128].run(tiles), plain)


def test_predictor_knows_what_the_network_costs_and_sees(
    predictor: Callable[[SegmentationNetwork], Predictor],
) -> None:
    toy = predictor(Toy(3))
    assert toy.bytes_per_pixel == activation_bytes_per_pixel(toy.checkpoint.network)
    assert toy.receptive_radius is not None
    assert 1 <= toy.receptive_radius <= 2
    assert predictor(small()).receptive_radius is None

"""uint8 tiles in, uint8 labels and probabilities out."""

import pytest
import torch
from torch import Tensor, nn

from wsiseg.models import create_model
from wsiseg.models.importing.espnet import ESPNetLayout
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.tile_network import TileNetwork

PLAIN = Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), divide_first=1.0)


class Constant(SegmentationNetwork):
    """Gives the same logits everywhere."""

    input_multiple = 1

    def __init__(self, logits: list[float]) -> None:
        super().__init__(len(logits))
        self.logits = nn.Parameter(torch.tensor(logits))

    def dense(self, x: Tensor) -> Tensor:
        return self.logits[None, :, None, None].expand(x.shape[0], -1, *x.shape[2:])


class Channels(SegmentationNetwork):
    """Hands its input through: the logits are the network's three channels."""

    input_multiple = 1

    def __init__(self) -> None:
        super().__init__(3)

    def dense(self, x: Tensor) -> Tensor:
        return x


def random_tiles(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=generator)


def random_network(name: str, classes: int) -> SegmentationNetwork:
    torch.manual_seed(classes)
    return create_model(name, classes, alpha2=1, alpha3=1).eval()


@pytest.mark.parametrize("name", ["espnet", "espnet-c"])
@pytest.mark.parametrize(
    "normalisation", [IMAGENET, *ESPNetLayout.normalisations.values()], ids=lambda n: n.order
)
def test_labels_and_probabilities_are_those_of_the_bare_network(
    name: str, normalisation: Normalisation
) -> None:
    network = random_network(name, 6)
    tiles = random_tiles(2, 96, 128)
    wrapped = TileNetwork(network, normalisation, ("labels", "probabilities")).eval()
    with torch.no_grad():
        logits = network(normalisation.apply(tiles))
        labels, probabilities = wrapped(tiles)
    assert labels.shape == (2, 96, 128)
    assert probabilities.shape == (2, 6, 96, 128)
    assert labels.dtype == probabilities.dtype == torch.uint8
    assert wrapped.classes == 6
    assert len(labels.unique()) > 1
    # Folding the normalisation rounds differently, which a near tie may show.
    assert (labels != logits.argmax(dim=1)).float().mean() < 1e-4
    assert (probabilities.float() - 255 * logits.softmax(dim=1)).abs().max() <= 1
    assert (probabilities.sum(dim=1, dtype=torch.int32) - 255).abs().max() <= 3


@pytest.mark.parametrize(
    "outputs", [("labels",), ("probabilities",), ("probabilities", "labels"), ()]
)
def test_outputs_come_in_the_order_asked_for(outputs: tuple[str, ...]) -> None:
    tiles = random_tiles(1, 5, 7)
    given = TileNetwork(Constant([0.0, 2.0, 1.0]), PLAIN, outputs)(tiles)
    shapes = {"labels": (1, 5, 7), "probabilities": (1, 3, 5, 7)}
    assert [tuple(value.shape) for value in given] == [shapes[name] for name in outputs]


def test_labels_are_what_is_asked_for_by_default() -> None:
    network = TileNetwork(Constant([0.0, 1.0]), PLAIN)
    assert network.outputs == ("labels",)
    assert len(network(random_tiles(1, 2, 2))) == 1


def test_channels_reach_the_network_in_its_own_order() -> None:
    red = torch.zeros(1, 1, 1, 3, dtype=torch.uint8)
    red[..., 0] = 255
    (rgb,) = TileNetwork(Channels(), PLAIN)(red)
    (bgr,) = TileNetwork(Channels(), PLAIN.model_copy(update={"order": "BGR"}))(red)
    assert rgb.item() == 0
    assert bgr.item() == 2


def test_normalisation_is_applied_per_channel() -> None:
    normalisation = Normalisation(
        mean=(10.0, 20.0, 90.0), std=(100.0, 1.0, 1.0), divide_first=1.0, divide_last=1.0
    )
    tiles = torch.full((1, 1, 1, 3), 30, dtype=torch.uint8)
    # 0.2, 10, −60
    labels, probabilities = TileNetwork(Channels(), normalisation, ("labels", "probabilities"))(
        tiles
    )
    assert labels.item() == 1
    assert probabilities.flatten().tolist() == [0, 255, 0]


@pytest.mark.parametrize("winner", [0, 1, 127, 128, 254])
def test_every_one_of_255_classes_can_win(winner: int) -> None:
    logits = [0.0] * 255
    logits[winner] = 50.0
    labels, probabilities = TileNetwork(Constant(logits), PLAIN, ("labels", "probabilities"))(
        random_tiles(1, 2, 3)
    )
    assert labels.unique().tolist() == [winner]
    assert (probabilities[:, winner] == 255).all()
    assert (probabilities[:, [i for i in range(255) if i != winner]] == 0).all()


def test_one_class_wins_everywhere_with_certainty() -> None:
    labels, probabilities = TileNetwork(Constant([-3.0]), PLAIN, ("labels", "probabilities"))(
        random_tiles(2, 3, 4)
    )
    assert (labels == 0).all()
    assert (probabilities == 255).all()


def test_first_of_equal_classes_wins() -> None:
    (labels,) = TileNetwork(Constant([1.0, 7.0, 7.0, 7.0]), PLAIN)(random_tiles(1, 4, 4))
    assert (labels == 1).all()


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_logit_that_is_not_finite_gives_no_label_and_no_probability(
    bad: float, place: int
) -> None:
    logits = [0.0, 3.0, -2.0]
    logits[place] = bad
    labels, probabilities = TileNetwork(Constant(logits), PLAIN, ("labels", "probabilities"))(
        random_tiles(1, 2, 2)
    )
    assert (labels == 255).all()
    assert not probabilities.any()


def test_logits_as_large_as_a_number_can_be_are_numbers() -> None:
    most = torch.finfo(torch.float32).max
    for logits, winner in (([-most, most, most], 1), ([-most] * 3, 0), ([most] * 3, 0)):
        labels, probabilities = TileNetwork(Constant(logits), PLAIN, ("labels", "probabilities"))(
            random_tiles(1, 2, 2)
        )
        assert (labels == winner).all()
        assert (probabilities.amax(1) > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_numbers_tell_255_classes_apart(dtype: torch.dtype) -> None:
    for winner in range(0, 255, 2):
        logits = [0.0] * 255
        logits[winner] = 1.0
        (labels,) = TileNetwork(Constant(logits), PLAIN).to(dtype)(random_tiles(1, 1, 1))
        assert labels.item() == winner


def test_probabilities_are_rounded_to_the_nearest_byte() -> None:
    third = Constant([0.0, 0.0, 0.0])
    (probabilities,) = TileNetwork(third, PLAIN, ("probabilities",))(random_tiles(1, 1, 1))
    assert probabilities.flatten().tolist() == [85, 85, 85]
    shares = torch.tensor([0.9, 0.0985, 0.0015])
    network = Constant(shares.log().tolist())
    (probabilities,) = TileNetwork(network, PLAIN, ("probabilities",))(random_tiles(1, 1, 1))
    assert probabilities.flatten().tolist() == [230, 25, 0]


def test_odd_tiles_give_labels_of_their_size() -> None:
    wrapped = TileNetwork(random_network("espnet", 4), IMAGENET)
    for size in ((1, 1), (7, 9), (33, 20)):
        with torch.no_grad():
            (labels,) = wrapped(random_tiles(1, *size))
        assert labels.shape == (1, *size)
        assert labels.max() < 4


def test_constants_move_with_the_network() -> None:
    wrapped = TileNetwork(Channels(), IMAGENET).double()
    assert wrapped.normalise.scale.dtype == wrapped.normalise.shift.dtype == torch.float64
    assert wrapped(random_tiles(1, 2, 2))[0].dtype == torch.uint8

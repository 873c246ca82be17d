"""Networks with merged paths and batch norms give what they gave before."""

from collections import OrderedDict
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from lively import enliven, norms
from wsiseg.models.cloning import clone
from wsiseg.models.folding import RemovedModule, fold, merge_paths
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.profiling import count_parameters


class Doubled(nn.Module):
    """The same convolution twice, which is one of twice the weights."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        once: Tensor = self.conv(x)
        return once + once

    def merged(self) -> nn.Module:
        conv = clone(self.conv)
        with torch.no_grad():
            conv.weight.mul_(2)
            conv.bias.mul_(2)
        return conv


class Pair(nn.Module):
    """No chain, but a norm directly behind a convolution."""

    conv_norm_pairs: ClassVar = (("first", "second"),)

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Sequential(nn.Identity(), nn.BatchNorm2d(6), nn.PReLU(6))
        self.first = nn.Sequential(nn.ReLU(), nn.Conv2d(6, 6, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(self.first(x))
        return out


class Toy(SegmentationNetwork):
    """Layers in a row, and a head that only training needs."""

    input_multiple = 2
    auxiliary = ("head",)

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(2)
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv2d(6, 2, 1)
        self.classifier = nn.Conv2d(6, 2, 1)

    def dense(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.layers(x))
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        features = self.layers(self._pad(x))
        return self.classifier(features), self.head(features)


def build(*layers: nn.Module) -> Toy:
    torch.manual_seed(0)
    return enliven(Toy(nn.Conv2d(3, 6, 1), *layers))


def count(network: nn.Module) -> int:
    return len(list(norms(network)))


def assert_equal(network: SegmentationNetwork, other: SegmentationNetwork) -> None:
    x = torch.randn(2, 3, 10, 14, generator=torch.Generator().manual_seed(0))
    was = network.training
    with torch.no_grad():
        torch.testing.assert_close(other(x), network.eval()(x), atol=1e-5, rtol=1e-5)
    network.train(was)


# Copies


def test_copy_shares_no_tensor_and_repeats_what_is_shared() -> None:
    shared = nn.Conv2d(6, 6, 1)
    network = build(shared, nn.BatchNorm2d(6), shared)
    network.layers[0].weight.requires_grad_(requires_grad=False)
    copied = clone(network)
    assert type(copied) is Toy
    assert copied.layers[1] is copied.layers[3]
    assert copied.state_dict().keys() == network.state_dict().keys()
    for key, value in network.state_dict().items():
        assert torch.equal(copied.state_dict()[key], value)
        assert copied.state_dict()[key].data_ptr() != value.data_ptr()
    assert not copied.layers[0].weight.requires_grad
    assert copied.layers[1].weight.requires_grad
    copied.layers.append(nn.ReLU())
    copied.classifier = nn.Identity()
    assert len(network.layers) == 4
    assert isinstance(network.classifier, nn.Conv2d)


# Paths and heads


def test_parallel_paths_are_merged_also_where_a_layer_stands_twice() -> None:
    twice = Doubled(6)
    network = build(twice, nn.ReLU(), twice, nn.Sequential(Doubled(6)))
    merged = merge_paths(network)
    assert_equal(network, merged)
    assert not any(isinstance(module, Doubled) for module in merged.modules())
    assert merged.layers[1] is merged.layers[3]


def test_auxiliary_heads_are_gone_and_said_to_be() -> None:
    network = build(nn.BatchNorm2d(6))
    merged = merge_paths(network)
    assert not any(key.startswith("head.") for key in merged.state_dict())
    assert count_parameters(merged) == count_parameters(network) - (6 * 2 + 2)
    assert isinstance(merged.head, RemovedModule)
    assert_equal(network, merged)
    with pytest.raises(RuntimeError, match="head was left out for inference"):
        merged.supervised(torch.zeros(1, 3, 4, 4))
    assert len(network.supervised(torch.zeros(1, 3, 4, 4))) == 2
    # Merging again finds nothing more.
    assert count_parameters(merge_paths(merged)) == count_parameters(merged)


def test_parts_of_parts_can_be_auxiliary() -> None:
    network = build()
    network.layers.append(nn.Sequential(OrderedDict(main=nn.Identity(), extra=nn.Identity())))
    network.auxiliary = ("head", "layers.1.extra")
    assert isinstance(merge_paths(network).layers[1].extra, RemovedModule)


# Batch norms


@pytest.mark.parametrize(
    ("layers", "left"),
    [
        ([nn.BatchNorm2d(6)], 0),
        ([nn.ReLU(), nn.Conv2d(6, 6, 3, 2, 1, groups=3), nn.BatchNorm2d(6), nn.ReLU()], 0),
        ([nn.ConvTranspose2d(6, 6, 2, 2, groups=3, bias=False), nn.BatchNorm2d(6)], 0),
        ([nn.ConvTranspose2d(6, 6, 3, 2, 1, 1, groups=2), nn.BatchNorm2d(6, eps=0.1)], 0),
        ([nn.Conv2d(6, 6, 3, padding=2, dilation=2), nn.BatchNorm2d(6, affine=False)], 0),
        # In evaluation a dropout is nothing.
        ([nn.Conv2d(6, 6, 1), nn.Dropout2d(0.5), nn.BatchNorm2d(6)], 0),
        # Convolution and norm in neighbouring chains.
        ([nn.Sequential(nn.ReLU(), nn.Conv2d(6, 6, 1)), nn.Sequential(nn.BatchNorm2d(6))], 0),
        ([Pair(), Pair()], 0),
        # What is not linear, or no convolution, keeps its norm.
        ([nn.ReLU(), nn.BatchNorm2d(6)], 1),
        ([nn.BatchNorm2d(6), nn.ReLU(), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 1)], 1),
    ],
    ids=str,
)
def test_norms_behind_convolutions_become_part_of_them(layers: list[nn.Module], left: int) -> None:
    network = build(*layers)
    folded = fold(network)
    assert count(folded) == left
    assert_equal(network, folded)


def test_norm_behind_a_layer_that_others_use_as_well_stays() -> None:
    shared, norm = nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6)
    for layers in ([shared, nn.BatchNorm2d(6), shared], [nn.Conv2d(6, 6, 1), norm, norm]):
        network = build(*layers)
        folded = fold(network)
        assert count(folded) == 1
        assert_equal(network, folded)


def test_activation_that_stands_twice_still_stands_between() -> None:
    act = nn.ReLU()
    network = build(act, nn.Conv2d(6, 6, 1), act, nn.BatchNorm2d(6))
    assert count(fold(network)) == 1
    assert_equal(network, fold(network))


def test_norm_without_statistics_stays() -> None:
    network = build(nn.BatchNorm2d(6, track_running_stats=False))
    assert count(fold(network)) == 1
    assert_equal(network, fold(network))

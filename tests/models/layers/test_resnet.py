"""Residual networks: sizes and dilations of their stages."""

import pytest
import torch

from wsiseg.models.layers.resnet import Backbone, ResNet
from wsiseg.models.profiling import count_parameters

# Of torchvision's networks, less the classifier's 1000 classes.
PARAMETERS: dict[Backbone, int] = {
    "resnet18": 11_689_512 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "resnet101": 44_549_160 - 2_049_000,
}


@pytest.mark.parametrize(("backbone", "expected"), PARAMETERS.items())
def test_parameters_are_those_of_the_paper(backbone: Backbone, expected: int) -> None:
    with torch.device("meta"):
        assert count_parameters(ResNet(backbone)) == expected


def convolutions(network: ResNet, stage: int, edge: int) -> list[torch.nn.Conv2d]:
    """Return those of a stage with a kernel of `edge`, without the shortcuts."""
    return [
        module
        for key, module in network.stages[stage].named_modules()
        if isinstance(module, torch.nn.Conv2d)
        and module.kernel_size == (edge, edge)
        and "shortcut" not in key
    ]


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_stages_shrink_unless_they_are_dilated(backbone: Backbone) -> None:
    plain = ResNet(backbone).eval()
    dilated = ResNet(backbone, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)).eval()
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        sizes = [[tuple(m.shape[1:]) for m in network(x)] for network in (plain, dilated)]
        assert len(plain(x, stages=2)) == 2
    channels = plain.channels
    for found, strides in zip(sizes, ((4, 8, 16, 32), (4, 8, 8, 8)), strict=True):
        assert found == [(c, 64 // s, 96 // s) for c, s in zip(channels, strides, strict=True)]


def test_dilations_begin_gradually_where_that_is_asked_for() -> None:
    for gradual, first in ((True, (1, 2)), (False, (2, 4))):
        network = ResNet("resnet50", strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), gradual=gradual)
        third, fourth = (
            [conv.dilation[0] for conv in convolutions(network, stage, 3)] for stage in (2, 3)
        )
        assert third == [first[0], 2, 2, 2, 2, 2]
        assert fourth == [first[1], 4, 4]


def test_second_convolutions_of_short_blocks_are_never_dilated() -> None:
    network = ResNet("resnet18", strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), gradual=True)
    dilations = [conv.dilation[0] for conv in convolutions(network, 3, 3)]
    assert dilations == [2, 1, 4, 1]


def test_bottlenecks_shrink_early_where_that_is_asked_for() -> None:
    for early, strides in ((True, (2, 1)), (False, (1, 2))):
        network = ResNet("resnet50", early=early)
        first = (convolutions(network, 1, edge)[0] for edge in (1, 3))
        assert tuple(conv.stride[0] for conv in first) == strides


def test_half_the_width_is_a_quarter_of_the_inner_parameters() -> None:
    whole, half = ResNet("resnet50"), ResNet("resnet50", width=32)
    assert half.channels == tuple(c // 2 for c in whole.channels) == (128, 256, 512, 1024)
    inner = [convolutions(network, 2, 3)[0].weight.numel() for network in (whole, half)]
    assert inner[0] == 4 * inner[1]


@pytest.mark.parametrize(("ceil", "edge"), [(False, 16), (True, 17)])
def test_pooling_rounds_up_where_that_is_asked_for(ceil: bool, edge: int) -> None:
    network = ResNet("resnet18", ceil=ceil).eval()
    with torch.no_grad():
        (large,) = network(torch.randn(1, 3, 64, 64), stages=1)
    assert large.shape[2:] == (edge, edge)

"""Costs and reach of networks small enough to be counted by hand."""

import pytest
import torch
from torch import Tensor, nn

from wsiseg.models import create_model
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.profiling import (
    activation_bytes_per_pixel,
    count_macs,
    count_parameters,
    receptive_field,
)


class Toy(SegmentationNetwork):
    """Any layers."""

    def __init__(self, *layers: nn.Module, multiple: int = 1, stride: int = 1) -> None:
        super().__init__(2)
        self.input_multiple = multiple
        self.output_stride = stride
        self.layers = nn.Sequential(*layers)

    def dense(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits


class Residual(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.layers(x)
        return added


class Gate(nn.Module):
    """Multiplies by what the whole picture says."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.mean(dim=(2, 3), keepdim=True).sigmoid()


class SwapHalves(nn.Module):
    """Widens to 64 channels and swaps their halves, which are views of a result without a name."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = conv(1, outputs=64)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.widen(x).chunk(2, dim=1)
        return torch.cat([second, first], dim=1)


def conv(
    kernel: int, stride: int = 1, dilation: int = 1, inputs: int = 3, outputs: int = 3
) -> nn.Conv2d:
    padding = dilation * (kernel // 2)
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation)


def double() -> nn.Module:
    return nn.ConvTranspose2d(3, 3, 2, stride=2)


# Receptive field.


@pytest.mark.parametrize(
    ("layers", "multiple", "stride", "expected"),
    [
        ([conv(1)], 1, 1, 1),
        ([conv(3)], 1, 1, 3),
        ([conv(5)], 1, 1, 5),
        ([conv(3), conv(3)], 1, 1, 5),
        ([conv(3, dilation=4)], 1, 1, 9),
        ([conv(3, dilation=16), conv(3, dilation=8)], 1, 1, 49),
        ([Residual(conv(3), nn.ReLU(), conv(3))], 1, 1, 5),
        ([nn.BatchNorm2d(3), nn.PReLU(3)], 1, 1, 1),
        # Declaring a multiple that the layers do not need changes nothing.
        ([conv(3, dilation=4)], 2, 1, 9),
        ([conv(3)], 8, 1, 3),
        # Rows 2y − 1 … 2y + 1, and one of them more on either side by the next convolution.
        ([conv(3, stride=2), double()], 2, 1, 3),
        ([conv(3, stride=2), conv(3), double()], 2, 1, 7),
        ([conv(3, stride=2), conv(3, stride=2), double(), double()], 4, 1, 7),
        ([nn.MaxPool2d(2), double()], 2, 1, 2),
        ([nn.AvgPool2d(4), double(), double()], 4, 1, 4),
        # The last bilinear resize reads two neighbouring logits.
        ([conv(3, stride=2)], 2, 2, 5),
        ([nn.AvgPool2d(2)], 2, 2, 4),
        ([nn.AvgPool2d(8)], 8, 8, 16),
        # Odd rows are not looked at.
        ([conv(1, stride=2), double()], 2, 1, 1),
    ],
)
def test_receptive_field_is_the_one_counted_by_hand(
    layers: list[nn.Module], multiple: int, stride: int, expected: int
) -> None:
    assert receptive_field(Toy(*layers, multiple=multiple, stride=stride)) == expected


def test_field_that_is_wider_than_high_counts_by_its_width() -> None:
    assert receptive_field(Toy(nn.Conv2d(3, 2, (7, 1), padding=(3, 0)))) == 7
    assert receptive_field(Toy(nn.Conv2d(3, 2, (1, 7), padding=(0, 3)))) == 7


@pytest.mark.parametrize(
    "layers", [[Gate()], [conv(3), Gate(), conv(3)], [Residual(Gate())]], ids=str
)
def test_global_pooling_sees_everything(layers: list[nn.Module]) -> None:
    assert receptive_field(Toy(*layers), limit=1024) is None


def test_global_pooling_sees_everything_by_default() -> None:
    assert receptive_field(Toy(Gate())) is None


def test_field_beyond_the_limit_is_not_told() -> None:
    wide = Toy(*[conv(3, dilation=64) for _ in range(3)])
    assert receptive_field(wide) == 2 * 3 * 64 + 1
    assert receptive_field(wide, limit=128) is None


def test_weights_that_are_zero_still_count_as_seeing() -> None:
    blind = Toy(conv(3))
    nn.init.zeros_(blind.layers[0].weight)
    assert receptive_field(blind) == 3


@pytest.mark.parametrize("training", [True, False])
def test_measuring_leaves_the_network_as_it_was(training: bool) -> None:
    torch.manual_seed(0)
    network = Toy(conv(3), nn.BatchNorm2d(3), nn.Dropout(0.5), conv(1, outputs=2)).train(training)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    receptive_field(network)
    activation_bytes_per_pixel(network)
    count_macs(network, 8, 8)
    assert network.training is training
    assert all(module.training is training for module in network.modules())
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])
        assert value.device.type == "cpu"
    assert all(parameter.grad is None for parameter in network.parameters())


# Operations and parameters.


def test_operations_are_those_counted_by_hand() -> None:
    network = Toy(conv(3, outputs=4), nn.ReLU(), conv(1, inputs=4, outputs=2))
    assert count_macs(network, 10, 20) == 10 * 20 * (9 * 3 * 4 + 4 * 2)


def test_operations_of_strided_and_grouped_convolutions() -> None:
    network = Toy(conv(3, stride=2), nn.Conv2d(3, 3, 3, padding=1, groups=3), double(), multiple=2)
    quarter = 8 * 16
    assert count_macs(network, 16, 32) == quarter * (9 * 9 + 9 * 3 + 4 * 9)


def test_operations_are_counted_at_512_by_1024_unless_told() -> None:
    assert count_macs(Toy(conv(1, outputs=2))) == 512 * 1024 * 6


def test_parameters_count_what_can_be_learned() -> None:
    network = Toy(conv(3, outputs=4), nn.BatchNorm2d(4), nn.PReLU(4))
    assert count_parameters(network) == 9 * 3 * 4 + 4 + 2 * 4 + 4
    network.layers[0].bias.requires_grad_(requires_grad=False)
    assert count_parameters(network) == 9 * 3 * 4 + 2 * 4 + 4


# Memory.

PICTURE = 3 * 4
"""Bytes per pixel of the input, which may be counted or not."""

WIDE = 64 * 4
"""Bytes per pixel of 64 channels."""

LOGITS = 2 * 4


def widen() -> nn.Module:
    return conv(1, outputs=64)


def keep() -> nn.Module:
    return conv(1, inputs=64, outputs=64)


def narrow() -> nn.Module:
    return conv(1, inputs=64, outputs=2)


def assert_counted(network: SegmentationNetwork, by_hand: int) -> None:
    counted = activation_bytes_per_pixel(network)
    assert by_hand <= counted <= by_hand + PICTURE + LOGITS


def test_two_results_are_alive_while_one_is_made_from_the_other() -> None:
    assert_counted(Toy(widen(), keep(), narrow()), 2 * WIDE)


def test_depth_costs_nothing_as_results_are_freed() -> None:
    assert_counted(Toy(widen(), *[keep() for _ in range(6)], narrow()), 2 * WIDE)


def test_residual_keeps_a_third_result_alive() -> None:
    assert_counted(Toy(widen(), Residual(keep(), keep()), narrow()), 3 * WIDE)


def test_results_at_half_the_size_cost_a_quarter() -> None:
    network = Toy(
        conv(3, stride=2, outputs=64),
        keep(),
        nn.ConvTranspose2d(64, 2, 2, stride=2),
        multiple=2,
    )
    assert_counted(network, 2 * WIDE // 4)


def test_changes_in_place_cost_nothing() -> None:
    assert_counted(Toy(widen(), nn.ReLU(inplace=True), keep(), narrow()), 2 * WIDE)


def test_result_that_lives_on_in_its_views_is_counted() -> None:
    assert_counted(Toy(SwapHalves(), narrow()), 2 * WIDE)


def test_memory_per_pixel_does_not_depend_on_the_multiple() -> None:
    layers = [widen(), keep(), narrow()]
    one = activation_bytes_per_pixel(Toy(*layers, multiple=1))
    assert activation_bytes_per_pixel(Toy(*layers, multiple=4)) == pytest.approx(one, rel=0.01)


def test_espnet_with_many_classes_takes_more_memory_than_with_few() -> None:
    few, many = (
        activation_bytes_per_pixel(create_model("espnet", n, alpha2=1, alpha3=1)) for n in (5, 100)
    )
    # At half the size the last skip holds `classes` channels, the logits as many at the full.
    assert many > few + (100 - 5) * 4
    assert few >= 5 * 4 + 5 * 4 / 4

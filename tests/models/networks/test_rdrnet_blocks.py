"""Layers with several paths, and the one convolution that each becomes."""

import pytest
import torch
from torch import nn

from wsiseg.models.networks.rdrnet import ParallelConvolutions, Reparameterisable


def enliven(layer: nn.Module) -> nn.Module:
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.2, 2.0)
    return layer.eval()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 8), (16, 16)])
@pytest.mark.parametrize("activated", [True, False])
@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(6, 6, 1), (6, 10, 1), (3, 8, 2)])
def test_block_becomes_one_convolution(
    inputs: int, outputs: int, stride: int, size: tuple[int, int], *, activated: bool
) -> None:
    torch.manual_seed(0)
    block = enliven(Reparameterisable(inputs, outputs, stride, activated=activated, epsilon=1e-3))
    merged = block.merged()
    x = torch.randn(2, inputs, *size)
    with torch.no_grad():
        torch.testing.assert_close(merged(x), block(x), atol=1e-5, rtol=1e-5)
        assert (merged(x) >= 0).all() == activated
    convolutions = [m for m in merged.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 1
    assert sum(p.numel() for p in merged.parameters()) == 9 * inputs * outputs + outputs


def test_input_itself_takes_part_where_the_shape_is_kept() -> None:
    for shape, kept in (((6, 6, 1), True), ((6, 8, 1), False), ((6, 6, 2), False)):
        assert (Reparameterisable(*shape, epsilon=1e-3).same is not None) == kept


def test_parallel_convolutions_become_one_in_the_same_groups() -> None:
    torch.manual_seed(0)
    layer = enliven(ParallelConvolutions(8, 4, 1e-3))
    merged = layer.merged()
    assert isinstance(merged, nn.Conv2d)
    assert (merged.groups, merged.kernel_size, tuple(merged.weight.shape)) == (
        4,
        (3, 3),
        (8, 2, 3, 3),
    )
    x = torch.randn(2, 8, 5, 6)
    with torch.no_grad():
        torch.testing.assert_close(merged(x), layer(x), atol=1e-5, rtol=1e-5)


def test_merging_leaves_the_layer_and_what_is_random_as_they_were() -> None:
    layer = enliven(Reparameterisable(6, 6, epsilon=1e-3))
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    state = torch.get_rng_state()
    merged = layer.merged()
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        for parameter in merged.parameters():
            parameter.zero_()
    for key, value in layer.state_dict().items():
        assert torch.equal(value, before[key]), key

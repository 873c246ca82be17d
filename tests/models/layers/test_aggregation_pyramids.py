"""Pooling pyramids against their definitions."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.dappm import DAPPM
from wsiseg.models.layers.pappm import PAPPM
from wsiseg.models.networks.rdrnet import RPPM, ProjectedPPM

KINDS = [DAPPM, PAPPM, RPPM, ProjectedPPM]


def make(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind(12, 8, 10, 1e-5).eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 4), (20, 33)])
def test_maps_of_any_size_keep_it(kind: type[nn.Module], size: tuple[int, int]) -> None:
    with torch.no_grad():
        assert make(kind)(torch.randn(2, 12, *size)).shape == (2, 10, *size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 2])
def test_single_pixels_can_be_learnt_from(kind: type[nn.Module], batch: int) -> None:
    layer = make(kind).train()
    layer(torch.randn(batch, 12, 1, 1)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def prepared(x: Tensor) -> Tensor:
    """Return what a convolution with a fresh batch norm and a ReLU in front gets."""
    return F.relu(x / (1 + 1e-5) ** 0.5)


def pooled(x: Tensor) -> list[Tensor]:
    edges = ((5, 2, 2), (9, 4, 4), (17, 8, 8))
    return [*[F.avg_pool2d(x, *edge) for edge in edges], x.mean((2, 3), keepdim=True)]


def test_deep_aggregation_goes_from_fine_to_coarse() -> None:
    layer, x = make(DAPPM), torch.randn(1, 12, 9, 14)
    with torch.no_grad():
        convolve = [scale[1].conv for scale in layer.scales]
        maps = [convolve[0](prepared(x))]
        for conv, small, process in zip(convolve[1:], pooled(x), layer.processes, strict=True):
            seen = F.interpolate(conv(prepared(small)), (9, 14), mode="bilinear")
            maps.append(process.conv(prepared(seen + maps[-1])))
        expected = layer.compress.conv(prepared(torch.cat(maps, 1)))
        expected += layer.shortcut.conv(prepared(x))
        torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_parallel_aggregation_convolves_every_scale_for_itself() -> None:
    layer, x = make(PAPPM), torch.randn(1, 12, 9, 14)
    with torch.no_grad():
        convolve = [scale[1].conv for scale in layer.scales]
        maps = [convolve[0](prepared(x))]
        kernels = layer.process.conv.weight.chunk(4)
        for conv, small, kernel in zip(convolve[1:], pooled(x), kernels, strict=True):
            seen = F.interpolate(conv(prepared(small)), (9, 14), mode="bilinear")
            maps.append(F.conv2d(prepared(seen + maps[0]), kernel, padding=1))
        expected = layer.compress.conv(prepared(torch.cat(maps, 1)))
        expected += layer.shortcut.conv(prepared(x))
        torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)

"""Pooling with remembered places against PyTorch's own, by indices."""

import pytest
import torch
import torch.nn.functional as F

from wsiseg.models.layers.max_unpooling import Window, max_pool, max_unpool


@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_pooling_and_unpooling_equal_those_by_indices(window: Window, levels: int) -> None:
    generator = torch.Generator().manual_seed(levels)
    x = torch.randint(-levels, levels, (2, 3, 12, 18), generator=generator).float()
    back = torch.randn(2, 3, 6, 9, generator=generator)
    padding = window // 3
    expected, indices = F.max_pool2d(x, window, 2, padding, return_indices=True)
    pooled, places = max_pool(x, window)
    assert torch.equal(pooled, expected)
    unpooled = max_unpool(back, places, window)
    assert torch.equal(unpooled, F.max_unpool2d(back, indices, 2, 2))


@pytest.mark.parametrize("window", [2, 3])
def test_gradients_go_to_the_maximum_alone(window: Window) -> None:
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    pooled, _ = max_pool(x, window)
    pooled.sum().backward()
    expected = torch.ones(1, 1, 4, 4, requires_grad=True)
    F.max_pool2d(expected, window, 2, window // 3).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, expected.grad)

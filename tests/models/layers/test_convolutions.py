"""The building blocks that every network shares."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wsiseg.models.layers.convolutions import BatchNorm, ConvNormAct, relu


def test_a_single_value_per_channel_is_normed_by_the_running_statistics():
    norm = BatchNorm(4).train()
    norm.running_mean += 1
    norm.running_var += 3
    x = torch.rand(1, 4, 1, 1)
    torch.testing.assert_close(norm(x), (x - 1) / torch.sqrt(torch.tensor(4 + norm.eps)))
    assert norm.running_mean.eq(1).all()


@pytest.mark.parametrize("shape", [(2, 4, 1, 1), (1, 4, 1, 2), (3, 4, 5, 7)])
def test_otherwise_it_is_pytorchs_own(shape):
    ours, theirs = BatchNorm(4).train(), nn.BatchNorm2d(4).train()
    x = torch.rand(shape)
    assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.running_var, theirs.running_var)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_convolutions_keep_the_size(kernel, dilation):
    layer = ConvNormAct(3, 6, kernel=kernel, dilation=dilation, groups=3, activation=relu)
    out = layer(torch.randn(1, 3, 9, 11))
    assert out.shape == (1, 6, 9, 11)
    assert out.min() == 0

"""Dilated convolutions side by side, against a sum written out."""

import torch

from wsiseg.models.layers.aspp import ASPP


def test_parallel_dilations_are_added_up() -> None:
    layer = ASPP(3, 5, (1, 2, 6), torch.nn.ELU())
    x = torch.randn(2, 3, 20, 17)
    expected = sum(
        torch.nn.functional.elu(
            torch.nn.functional.conv2d(
                x, branch.weight, branch.bias, padding=dilation, dilation=dilation
            )
        )
        for branch, dilation in zip(layer.branches, (1, 2, 6), strict=True)
    )
    torch.testing.assert_close(layer(x), expected)

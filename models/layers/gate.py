"""Channels weighted by what the whole map holds, as EdgeNets' decoder takes in encoder features."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wsiseg.models.layers.elementary import PLAIN_EPSILON, ConvNormAct


class GatedExpansion(nn.Module):
    """Grouped 3×3 convolution whose channels are weighted by a global average pool.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out; as many groups as their greatest common divisor.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.expand = ConvNormAct(
            inputs, outputs, groups=math.gcd(inputs, outputs), epsilon=PLAIN_EPSILON
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        weight = torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        out: Tensor = self.expand(x) * weight
        return out

"""The fire module of SqueezeNet (Iandola et al., 2016, §3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Fire(nn.Module):
    """Squeeze the channels, and expand them by 1×1 and 3×3 convolutions side by side.

    With ELUs, as in SQNet, where SqueezeNet has ReLUs.

    Parameters
    ----------
    inputs, squeezed : int
        Channels in and between.
    expanded : int
        Channels out, half of them of either convolution.
    """

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.pointwise = nn.Conv2d(squeezed, expanded // 2, 1)
        self.around = nn.Conv2d(squeezed, expanded // 2, 3, padding=1)
        self.act = nn.ELU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, expanded, H, W)``."""
        squeezed = self.act(self.squeeze(x))
        out: Tensor = self.act(torch.cat([self.pointwise(squeezed), self.around(squeezed)], dim=1))
        return out

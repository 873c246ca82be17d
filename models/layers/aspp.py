"""ASPP: one map seen by dilated convolutions at once, and their sum (DeepLabv2 paper, §3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ASPP(nn.Module):
    """3×3 convolutions of different dilations side by side, added up.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    dilations : sequence of int
        One for each convolution.
    activation : Module, optional
        What each passes before the sum.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        dilations: Sequence[int],
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
            for dilation in dilations
        )
        self.act = activation or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        return torch.stack([self.act(branch(x)) for branch in self.branches]).sum(0)

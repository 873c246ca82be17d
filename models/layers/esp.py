"""The efficient spatial pyramid of dilated convolutions (ESPNet paper, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.elementary import NormAct

DILATIONS = (1, 2, 4, 8, 16)
"""Dilation rates of the K = 5 parallel branches."""


class ESP(nn.Module):
    """Reduce, split, transform, merge: one pyramid of five dilated 3×3 convolutions.

    The input is reduced to ``outputs // 5`` channels, five branches look at it with growing
    dilation, and hierarchical feature fusion adds each branch to the sum of the wider ones
    before it, which removes the gridding of dilated convolutions.  As in the authors' code the
    sums start at dilation 2; the paper's figure draws dilation 1 into them.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out; `outputs` is at least 5.
    stride : int
        1: the reduction is a 1×1 convolution.  2: it is a 3×3 convolution of stride 2.
    residual : bool
        Add the input before the last normalisation; wants ``inputs == outputs`` and stride 1.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int = 1, residual: bool = True
    ) -> None:
        super().__init__()
        width = outputs // len(DILATIONS)
        first = outputs - width * (len(DILATIONS) - 1)
        kernel = 1 if stride == 1 else 3
        self.residual = residual
        self.reduce = nn.Conv2d(
            inputs, width, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.branches = nn.ModuleList(
            nn.Conv2d(width, first if d == 1 else width, 3, padding=d, dilation=d, bias=False)
            for d in DILATIONS
        )
        self.fuse = NormAct(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        reduced = self.reduce(x)
        narrow, *wide = [branch(reduced) for branch in self.branches]
        sums = [wide[0]]
        for branch in wide[1:]:
            sums.append(sums[-1] + branch)
        merged = torch.cat([narrow, *sums], dim=1)
        out: Tensor = self.fuse(x + merged if self.residual else merged)
        return out

"""Pooling pyramids that give each pixel a view of its wider surroundings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.elementary import PLAIN_EPSILON, ConvNormAct

STAGES = 4
"""Times that the map is halved."""


class DepthwisePyramidPooling(nn.Module):
    """Halve the map again and again, convolve depth-wise at every size, and merge.

    Parameters
    ----------
    channels : int
        Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.halve = nn.AvgPool2d(3, stride=2, padding=1)
        self.branches = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
            for _ in range(STAGES)
        )
        self.merge = ConvNormAct(channels * (STAGES + 1), channels, kernel=1, epsilon=PLAIN_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        seen, pooled = [x], x
        for branch in self.branches:
            pooled = self.halve(pooled)
            seen.append(
                F.interpolate(branch(pooled), size=x.shape[2:], mode="bilinear", align_corners=True)
            )
        out: Tensor = self.merge(torch.cat(seen, dim=1))
        return out

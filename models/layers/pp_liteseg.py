"""The blocks of PP-LiteSeg's decoder (Peng et al., 2022, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.adaptive_pooling import average_regions
from wsiseg.models.layers.plain import conv_norm, conv_norm_relu
from wsiseg.models.layers.resizing import resize

GRIDS = (1, 2, 4)
"""Regions along each axis."""


class SimplePyramidPooling(nn.Module):
    """Add up the averages over the regions of three grids (SPPM, section 3.3).

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(conv_norm_relu(inputs, outputs, kernel=1) for _ in GRIDS)
        self.merge = conv_norm_relu(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        seen = [
            resize(branch(average_regions(x, (grid, grid))), x.shape[2:])
            for grid, branch in zip(GRIDS, self.branches, strict=True)
        ]
        out: Tensor = self.merge(seen[0] + seen[1] + seen[2])
        return out


class AttentionFusion(nn.Module):
    """Mix two maps pixel by pixel (UAFM with its spatial attention, section 3.2).

    Parameters
    ----------
    shallow, deep : int
        Channels of the encoder's map, and of the decoder's so far.
    outputs : int
        Channels out.
    """

    def __init__(self, shallow: int, deep: int, outputs: int) -> None:
        super().__init__()
        self.project = conv_norm_relu(shallow, deep)
        self.attend = nn.Sequential(conv_norm_relu(4, 2), conv_norm(2, 1))
        self.merge = conv_norm_relu(deep, outputs)

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """Return ``(B, outputs, H, W)`` for the encoder's ``(B, shallow, H, W)`` and a deep map."""
        first = self.project(shallow)
        second = resize(deep, first.shape[2:])
        seen = [
            reduced
            for x in (first, second)
            for reduced in (x.mean(1, keepdim=True), x.amax(1, keepdim=True))
        ]
        share: Tensor = self.attend(torch.cat(seen, dim=1)).sigmoid()
        out: Tensor = self.merge(first * share + second * (1 - share))
        return out

"""The pooling pyramid of ICNet, which adds where PSPNet's concatenates."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.adaptive_pooling import average_regions

GRIDS = (1, 2, 3, 6)
"""Regions along each axis."""


class RegionSum(nn.Module):
    """Add to each pixel the averages of the regions that it lies in (Zhao et al., ECCV 2018).

    Resizing aligns the corner pixels.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to the same shape."""
        total = x
        for grid in GRIDS:
            pooled = average_regions(x, (grid, grid))
            total = total + F.interpolate(
                pooled, size=x.shape[2:], mode="bilinear", align_corners=True
            )
        return total

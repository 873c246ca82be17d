"""Pyramid pooling at resolutions just below the map's own (Y-Net paper, section 3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.adaptive_pooling import average_regions
from wsiseg.models.layers.elementary import ConvNormAct, relu

SCALES = ((5, 6), (2, 3), (1, 2), (3, 8))
"""Sizes of the pooled maps, as fractions of the map's."""


class ResampledPyramid(nn.Module):
    """Pool a map to four sizes, project each, enlarge it again, and put all behind the map.

    Parameters
    ----------
    inputs, width : int
        Channels in, and those of each branch.
    align_corners : bool
        How the branches are enlarged.
    """

    def __init__(self, inputs: int, width: int, *, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.branches = nn.ModuleList(
            ConvNormAct(inputs, width, kernel=1, activation=relu) for _ in SCALES
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, inputs + 4 width, H, W)``."""
        size = x.shape[2:]
        seen = [x]
        for branch, (numerator, denominator) in zip(self.branches, SCALES, strict=True):
            height, width = (_scale(length, numerator, denominator) for length in size)
            pooled = branch(average_regions(x, (height, width)))
            seen.append(
                F.interpolate(pooled, size=size, mode="bilinear", align_corners=self.align_corners)
            )
        return torch.cat(seen, dim=1)


def _scale(length: int | Tensor, numerator: int, denominator: int) -> int:
    """Return a scaled length to the nearest pixel, but no less than one."""
    scaled = (length * numerator + denominator // 2) // denominator
    if isinstance(scaled, Tensor):
        # The tracer hands out lengths as tensors; a comparison would fix the answer for good.
        return scaled.clamp(min=1)  # type: ignore[return-value]
    return max(scaled, 1)

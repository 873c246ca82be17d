"""The context path of BiSeNet (Yu et al., ECCV 2018, section 3.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.bilateral import AttentionRefinement
from wsiseg.models.layers.plain import conv_norm_relu

CONTEXT = 128
"""Channels of the path."""


def _repeat(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class ContextPath(nn.Module):
    """Bring what the deep stages say about the whole picture back to 1/8.

    Parameters
    ----------
    sixteenth, deepest : int
        Channels of the features at 1/16 and 1/32.
    """

    def __init__(self, sixteenth: int, deepest: int) -> None:
        super().__init__()
        self.average = conv_norm_relu(deepest, CONTEXT, kernel=1)
        self.refine32 = AttentionRefinement(deepest, CONTEXT)
        self.refine16 = AttentionRefinement(sixteenth, CONTEXT)
        self.up32 = conv_norm_relu(CONTEXT, CONTEXT)
        self.up16 = conv_norm_relu(CONTEXT, CONTEXT)

    def forward(self, sixteenth: Tensor, deepest: Tensor) -> tuple[Tensor, Tensor]:
        """Return 128 channels at 1/16 and at 1/8, from features at 1/16 and 1/32."""
        average = self.average(deepest.mean((2, 3), keepdim=True))
        at16 = self.up32(_repeat(self.refine32(deepest) + average))
        at8 = self.up16(_repeat(self.refine16(sixteenth) + at16))
        return at16, at8

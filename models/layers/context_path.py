"""The context path of BiSeNet (Yu et al., ECCV 2018, section 3.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import conv_norm, conv_norm_relu

CONTEXT = 128
"""Channels of the path."""


class ARM(nn.Module):
    """Attention refinement (ARM): channels weighted by a global average pool (figure 2b).

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolve = conv_norm_relu(inputs, outputs)
        self.weigh = conv_norm(outputs, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        out: Tensor = self.convolve(x)
        weights: Tensor = self.weigh(out.mean((2, 3), keepdim=True))
        return out * weights.sigmoid()


def _repeat(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class ContextPath(nn.Module):
    """The path that brings the context of the deep stages back to 1/8 (section 3.2).

    Parameters
    ----------
    sixteenth, deepest : int
        Channels of the features at 1/16 and 1/32.
    """

    def __init__(self, sixteenth: int, deepest: int) -> None:
        super().__init__()
        self.average = conv_norm_relu(deepest, CONTEXT, kernel=1)
        self.refine32 = ARM(deepest, CONTEXT)
        self.refine16 = ARM(sixteenth, CONTEXT)
        self.up32 = conv_norm_relu(CONTEXT, CONTEXT)
        self.up16 = conv_norm_relu(CONTEXT, CONTEXT)

    def forward(self, sixteenth: Tensor, deepest: Tensor) -> tuple[Tensor, Tensor]:
        """Return the context at 1/16 and at 1/8.

        Parameters
        ----------
        sixteenth, deepest : Tensor
            ``(B, sixteenth, H, W)`` at 1/16 and ``(B, deepest, H / 2, W / 2)`` at 1/32.

        Returns
        -------
        tuple of Tensor
            ``(B, 128, H, W)`` and ``(B, 128, 2 H, 2 W)``.
        """
        average = self.average(deepest.mean((2, 3), keepdim=True))
        at16 = self.up32(_repeat(self.refine32(deepest) + average))
        at8 = self.up16(_repeat(self.refine16(sixteenth) + at16))
        return at16, at8

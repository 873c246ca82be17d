"""Attention refinement and feature fusion, from BiSeNet (Yu et al., ECCV 2018, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.plain import conv_norm, conv_norm_relu


class AttentionRefinement(nn.Module):
    """A convolution whose channels are weighted by a global average pool (figure 2b).

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


class FeatureFusion(nn.Module):
    """Join two maps and weigh the channels that come out, around a residual (figure 2c).

    Parameters
    ----------
    inputs, outputs : int
        Channels of both maps together, and out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.join = conv_norm_relu(inputs, outputs, kernel=1)
        self.squeeze = nn.Conv2d(outputs, outputs // 4, 1, bias=False)
        self.excite = nn.Conv2d(outputs // 4, outputs, 1, bias=False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return ``(B, outputs, H, W)`` for two maps of equal size."""
        out: Tensor = self.join(torch.cat([first, second], dim=1))
        weights: Tensor = self.excite(self.squeeze(out.mean((2, 3), keepdim=True)).relu())
        return out + out * weights.sigmoid()


class NormalisedFusion(nn.Module):
    """The same with one convolution, batch norm and ReLU for the weights, none under a half.

    So it is in MMSegmentation's BiSeNetV1.

    Parameters
    ----------
    inputs, outputs : int
        Channels of both maps together, and out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.join = conv_norm_relu(inputs, outputs, kernel=1)
        self.weigh = conv_norm_relu(outputs, outputs, kernel=1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return ``(B, outputs, H, W)`` for two maps of equal size."""
        out: Tensor = self.join(torch.cat([first, second], dim=1))
        weights: Tensor = self.weigh(out.mean((2, 3), keepdim=True))
        return out + out * weights.sigmoid()

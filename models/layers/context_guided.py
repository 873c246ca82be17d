"""The context-guided block of CGNet (paper, section III-A)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.elementary import ConvNormAct, NormAct


class GlobalGate(nn.Module):
    """Weigh channels by what the whole map holds: pooling, two dense layers, a sigmoid.

    Parameters
    ----------
    channels : int
        Channels in and out.
    reduction : int
        Of the channels between the dense layers.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.act = nn.ReLU()
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        weights: Tensor = self.excite(self.act(self.squeeze(x.mean((2, 3)))))
        return x * weights.sigmoid()[..., None, None]


class LocalAndSurrounding(nn.Module):
    """A depth-wise 3×3 convolution beside a dilated one, concatenated.

    Parameters
    ----------
    channels : int
        Channels in, half of those out.
    dilation : int
        Of the second convolution.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.local = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.surrounding = nn.Conv2d(
            channels, channels, 3, 1, dilation, dilation, groups=channels, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, 2 channels, H, W)``."""
        return torch.cat([self.local(x), self.surrounding(x)], dim=1)


class ContextGuided(nn.Module):
    """Local feature, surrounding context, global context, around a residual connection.

    Parameters
    ----------
    channels : int
        Channels in and out.
    dilation : int
        Of the surrounding context.
    reduction : int
        Of the global context.
    """

    def __init__(self, channels: int, dilation: int, reduction: int) -> None:
        super().__init__()
        self.reduce = ConvNormAct(channels, channels // 2, kernel=1)
        self.context = LocalAndSurrounding(channels // 2, dilation)
        self.fuse = NormAct(channels)
        self.gate = GlobalGate(channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        out: Tensor = x + self.gate(self.fuse(self.context(self.reduce(x))))
        return out


class ContextGuidedDown(nn.Module):
    """The context-guided block that halves the map, without a residual connection.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    dilation : int
        Of the surrounding context.
    reduction : int
        Of the global context.
    """

    def __init__(self, inputs: int, outputs: int, dilation: int, reduction: int) -> None:
        super().__init__()
        self.reduce = ConvNormAct(inputs, outputs, stride=2)
        self.context = LocalAndSurrounding(outputs, dilation)
        self.fuse = NormAct(2 * outputs)
        self.project = nn.Conv2d(2 * outputs, outputs, 1, bias=False)
        self.gate = GlobalGate(outputs, reduction)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / 2, W / 2)``."""
        out: Tensor = self.gate(self.project(self.fuse(self.context(self.reduce(x)))))
        return out

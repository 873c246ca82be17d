"""The depth-wise asymmetric bottleneck of DABNet (paper, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.elementary import LARGE_EPSILON, BatchNorm, ConvNormAct, NormAct


class DepthwisePair(nn.Sequential):
    """A 3×1 and a 1×3 depth-wise convolution, batch norm and PReLU behind each.

    Parameters
    ----------
    channels : int
        Channels in and out.
    dilation : int
        Of both.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        d = dilation
        super().__init__()
        self.vertical = nn.Conv2d(
            channels, channels, (3, 1), 1, (d, 0), (d, 1), groups=channels, bias=False
        )
        self.fuse_vertical = NormAct(channels)
        self.horizontal = nn.Conv2d(
            channels, channels, (1, 3), 1, (0, d), (1, d), groups=channels, bias=False
        )
        self.fuse_horizontal = NormAct(channels)


class DepthwiseAsymmetricBottleneck(nn.Module):
    """Halve the channels, sum two depth-wise branches, expand, add the input.

    Parameters
    ----------
    channels : int
        Channels in and out.
    dilation : int
        Of the second branch.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        inner = channels // 2
        self.prepare = NormAct(channels)
        self.reduce = ConvNormAct(channels, inner)
        self.local = DepthwisePair(inner, 1)
        self.surrounding = DepthwisePair(inner, dilation)
        self.fuse = NormAct(inner)
        self.expand = nn.Conv2d(inner, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        reduced = self.reduce(self.prepare(x))
        merged = self.fuse(self.local(reduced) + self.surrounding(reduced))
        out: Tensor = x + self.expand(merged)
        return out


class PooledDown(nn.Module):
    """A strided 3×3 convolution, beside max-pooling where channels are added; batch norm, PReLU.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.  Where `outputs` is the larger, the convolution makes the difference
        and the rest is pooled.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pools = outputs > inputs
        self.normed = () if self.pools else (("conv", "norm"),)
        made = outputs - inputs if self.pools else outputs
        self.conv = nn.Conv2d(inputs, made, 3, stride=2, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.norm = BatchNorm(outputs, eps=LARGE_EPSILON)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / 2, W / 2)``."""
        made = self.conv(x)
        if self.pools:
            made = torch.cat([made, self.pool(x)], dim=1)
        out: Tensor = self.act(self.norm(made))
        return out

"""The blocks of BiSeNetV2 (Yu et al., IJCV 2021, section 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.elementary import BatchNorm
from wsiseg.models.layers.plain import conv_norm, conv_norm_relu
from wsiseg.models.layers.resizing import resize

EXPANSION = 6


class Stem(nn.Module):
    """Shrink to a quarter along two paths, convolution and max-pooling (figure 4a).

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = conv_norm_relu(inputs, outputs, 2)
        self.convolve = nn.Sequential(
            conv_norm_relu(outputs, outputs // 2, kernel=1),
            conv_norm_relu(outputs // 2, outputs, 2),
        )
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.fuse = conv_norm_relu(2 * outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / 4, W / 4)``."""
        half = self.first(x)
        out: Tensor = self.fuse(torch.cat([self.convolve(half), self.pool(half)], dim=1))
        return out


class GatherExpand(nn.Module):
    """Convolve, widen by a depth-wise convolution, narrow, add the input (figures 5b and 5c).

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out; the same with a stride of 1.
    stride : {1, 2}
        With 2, a second depth-wise convolution follows, and the input comes in by a separable one.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        middle = EXPANSION * inputs
        self.gather = conv_norm_relu(inputs, inputs)
        self.shortcut: nn.Module
        if stride == 1:
            self.expand = nn.Sequential(conv_norm_relu(inputs, middle, groups=inputs))
            self.shortcut = nn.Identity()
        else:
            self.expand = nn.Sequential(
                conv_norm(inputs, middle, stride, groups=inputs),
                conv_norm_relu(middle, middle, groups=middle),
            )
            self.shortcut = nn.Sequential(
                conv_norm(inputs, inputs, stride, groups=inputs),
                conv_norm(inputs, outputs, kernel=1),
            )
        self.narrow = conv_norm(middle, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        out: Tensor = self.narrow(self.expand(self.gather(x)))
        return F.relu(out + self.shortcut(x))


class ContextEmbedding(nn.Module):
    """Add the average over the whole map to every pixel (figure 4b).

    Parameters
    ----------
    channels : int
        Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = BatchNorm(channels)
        self.project = conv_norm_relu(channels, channels, kernel=1)
        self.last = conv_norm_relu(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        out: Tensor = self.last(x + self.project(self.norm(x.mean((2, 3), keepdim=True))))
        return out


def _context_conv(channels: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm(channels, channels, groups=channels), nn.Conv2d(channels, channels, 1)
    )


class GuidedAggregation(nn.Module):
    """Let each branch weigh the other, at the size of both (figure 6).

    Parameters
    ----------
    channels : int
        Channels of either branch, and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.detail = _context_conv(channels)
        self.detail_down = nn.Sequential(
            conv_norm(channels, channels, 2), nn.AvgPool2d(3, stride=2, padding=1)
        )
        self.semantic_up = conv_norm(channels, channels)
        self.semantic = _context_conv(channels)
        self.merge = conv_norm_relu(channels, channels)

    def forward(self, detail: Tensor, semantic: Tensor) -> Tensor:
        """Return ``(B, channels, H, W)`` for as large a detail and a semantic map of a quarter."""
        size = detail.shape[2:]
        fine = self.detail(detail) * resize(self.semantic_up(semantic), size).sigmoid()
        coarse = self.detail_down(detail) * self.semantic(semantic).sigmoid()
        out: Tensor = self.merge(fine + resize(coarse, size))
        return out

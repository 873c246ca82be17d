"""DABNet (Li et al., BMVC 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import (
    LARGE_EPSILON,
    BatchNorm,
    ConvNormAct,
    NormAct,
    StridedAvgPool,
)
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Li et al., DABNet: Depth-wise Asymmetric Bottleneck for Real-time Semantic Segmentation, "
    "BMVC 2019"
)

_DILATIONS2 = (2, 2, 2)
_DILATIONS3 = (4, 4, 8, 8, 16, 16)


class DepthwisePair(nn.Sequential):
    """A 3×1 and a 1×3 depth-wise convolution, batch norm and PReLU behind each.

    Maps ``(B, channels, H, W)`` to the same shape.

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
    """Halve the channels, sum two depth-wise branches, expand, add the input (section 3.1).

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
        self.conv_norm_pairs = () if self.pools else (("conv", "norm"),)
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


class _Encoder(nn.Module):
    """Three levels, each reinforced by the shrunken picture: 259 channels at 1/8."""

    def __init__(self) -> None:
        super().__init__()
        self.shrink = StridedAvgPool(3)
        self.level1 = nn.Sequential(
            ConvNormAct(3, 32, stride=2), ConvNormAct(32, 32), ConvNormAct(32, 32)
        )
        self.fuse1 = NormAct(32 + 3)
        self.down2 = PooledDown(32 + 3, 64)
        self.level2 = nn.Sequential(*[DepthwiseAsymmetricBottleneck(64, d) for d in _DILATIONS2])
        self.fuse2 = NormAct(64 + 64 + 3)
        self.down3 = PooledDown(64 + 64 + 3, 128)
        self.level3 = nn.Sequential(*[DepthwiseAsymmetricBottleneck(128, d) for d in _DILATIONS3])
        self.fuse3 = NormAct(128 + 128 + 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, 259, H / 8, W / 8)``."""
        half = self.shrink(x)
        quarter = self.shrink(half)
        eighth = self.shrink(quarter)
        down2 = self.down2(self.fuse1(torch.cat([self.level1(x), half], dim=1)))
        down3 = self.down3(self.fuse2(torch.cat([self.level2(down2), down2, quarter], dim=1)))
        fused3: Tensor = self.fuse3(torch.cat([self.level3(down3), down3, eighth], dim=1))
        return fused3


@register("dabnet", family="DABNet", paper=PAPER)
class DABNet(SegmentationNetwork):
    """DABNet: depth-wise asymmetric bottlenecks, logits at 1/8 (paper, table 1).

    Sizes that are no multiple of 8 are padded; the authors' network rounds some of them up after
    each level and fails on others.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    input_multiple = 8
    output_stride = 8

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = _Encoder()
        self.classifier = nn.Conv2d(259, classes, 1, bias=False)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.classifier(self.encoder(x))
        return logits

"""Fast-SCNN (Poudel et al., BMVC 2019)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.class_head import DROPOUT, ClassHead
from wsiseg.models.layers.convolutions import conv_norm, conv_norm_relu
from wsiseg.models.layers.ppm import PPM
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = "Poudel et al., Fast-SCNN: Fast Semantic Segmentation Network, BMVC 2019"

BOTTLENECKS = ((64, 2), (96, 2), (128, 1))
"""Channels and stride of the three stages of three bottlenecks (table 1)."""


def separable_conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return a depth-wise 3×3 convolution without activation and a 1×1 convolution with ReLU.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    stride : int
        Of the depth-wise convolution.
    """
    return nn.Sequential(
        conv_norm(inputs, inputs, stride, groups=inputs),
        conv_norm_relu(inputs, outputs, kernel=1),
    )


class InvertedResidual(nn.Module):
    """Widen, convolve depth-wise, narrow without activation (Sandler et al., CVPR 2018, §3.3).

    Parameters
    ----------
    inputs, outputs, stride : int
        Channels in and out; the input is added where it has the output's shape.
    expansion : int
        How many times as wide the middle is.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, expansion: int = 6) -> None:
        super().__init__()
        middle = expansion * inputs
        self.residual = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            conv_norm_relu(inputs, middle, kernel=1),
            conv_norm_relu(middle, middle, stride, groups=middle),
            conv_norm(middle, outputs, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        out: Tensor = self.layers(x)
        return x + out if self.residual else out


class _Fusion(nn.Module):
    """Add the deep features, four times enlarged, to those at 1/8 (section 3.2.3, table 3)."""

    def __init__(self, shallow: int, deep: int, outputs: int) -> None:
        super().__init__()
        self.spread = conv_norm_relu(deep, deep, groups=deep)
        self.deep = conv_norm(deep, outputs, kernel=1)
        self.shallow = conv_norm(shallow, outputs, kernel=1)

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """Return ``(B, outputs, H, W)`` for features ``(B, shallow, H, W)`` and deep ones."""
        enlarged = F.interpolate(deep, size=shallow.shape[2:], mode="bilinear", align_corners=False)
        return F.relu(self.deep(self.spread(enlarged)) + self.shallow(shallow))


class _Encoder(nn.Module):
    """Learning to downsample, global features, and their fusion: 128 channels at 1/8."""

    def __init__(self) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            conv_norm_relu(3, 32, 2), separable_conv(32, 48, 2), separable_conv(48, 64, 2)
        )
        bottlenecks, width = [], 64
        for outputs, stride in BOTTLENECKS:
            bottlenecks += [
                InvertedResidual(width, outputs, stride),
                InvertedResidual(outputs, outputs),
                InvertedResidual(outputs, outputs),
            ]
            width = outputs
        self.bottlenecks = nn.Sequential(*bottlenecks)
        self.pool = PPM(width, width // 4)
        self.merge = conv_norm_relu(2 * width, width)
        self.fuse = _Fusion(64, width, 128)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the features at 1/8, the deep ones at 1/32, and both fused at 1/8."""
        shallow = self.downsample(x)
        deep = self.merge(self.pool(self.bottlenecks(shallow)))
        return shallow, deep, self.fuse(shallow, deep)


@register("fast-scnn", family="Fast-SCNN", paper=PAPER)
class FastSCNN(SegmentationNetwork):
    """Fast-SCNN: two branches that share their first layers, logits at 1/8.

    As MMSegmentation has it: the deep features are spread by a depth-wise convolution without the
    dilation of table 3, and two auxiliary heads (section 3.3) compare the features of both
    branches with the labels.  A pyramid that pools over the whole picture lets every logit depend
    on all of a tile, and sizes that are no multiple of 32 count the zeros that they are padded
    with.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    input_multiple = 32
    output_stride = 8
    auxiliary = ("head_deep", "head_shallow")

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = _Encoder()
        self.head = nn.Sequential(
            separable_conv(128, 128),
            separable_conv(128, 128),
            nn.Dropout2d(DROPOUT),
            nn.Conv2d(128, classes, 1),
        )
        self.head_deep = ClassHead(128, 32, classes)
        self.head_shallow = ClassHead(64, 32, classes)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.head(self.encoder(x)[2])
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, then those of the deep (at 1/32) and shallow (at 1/8) features."""
        padded = self._pad(x)
        shallow, deep, fused = self.encoder(padded)
        return (
            self._enlarge(self.head(fused), padded, x),
            self._crop(self.head_deep(deep), x, 32),
            self._crop(self.head_shallow(shallow), x, 8),
        )

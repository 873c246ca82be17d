"""BiSeNetV2 (Yu et al., IJCV 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.class_head import ClassHead
from wsiseg.models.layers.convolutions import BatchNorm, conv_norm, conv_norm_relu
from wsiseg.models.layers.interpolation import resize
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Yu et al., BiSeNet V2: Bilateral Network with Guided Aggregation for Real-time Semantic "
    "Segmentation, IJCV 2021"
)

HEADS = ((16, 16, 4), (32, 64, 8), (64, 256, 16), (128, 1024, 32))
"""Channels, width and stride of the auxiliary heads, from the stem to the last stage."""


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
    """Bilateral guided aggregation: each branch weighs the other, at the size of both (figure 6).

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
        """Return both branches merged at the detail branch's size.

        Parameters
        ----------
        detail, semantic : Tensor
            ``(B, channels, H, W)`` and ``(B, channels, H / 4, W / 4)``.

        Returns
        -------
        Tensor
            ``(B, channels, H, W)``.
        """
        size = detail.shape[2:]
        fine = self.detail(detail) * resize(self.semantic_up(semantic), size).sigmoid()
        coarse = self.detail_down(detail) * self.semantic(semantic).sigmoid()
        out: Tensor = self.merge(fine + resize(coarse, size))
        return out


def _detail_branch() -> nn.Sequential:
    """Return the wide and shallow branch: 128 channels at 1/8 (table 1)."""
    return nn.Sequential(
        *[conv_norm_relu(3, 64, 2), conv_norm_relu(64, 64)],
        *[conv_norm_relu(64, 64, 2), conv_norm_relu(64, 64), conv_norm_relu(64, 64)],
        *[conv_norm_relu(64, 128, 2), conv_norm_relu(128, 128), conv_norm_relu(128, 128)],
    )


class _Encoder(nn.Module):
    """Both branches and what joins them: 128 channels at 1/8."""

    def __init__(self) -> None:
        super().__init__()
        self.detail = _detail_branch()
        self.stages = nn.ModuleList(
            [
                Stem(3, 16),
                nn.Sequential(GatherExpand(16, 32, 2), GatherExpand(32, 32)),
                nn.Sequential(GatherExpand(32, 64, 2), GatherExpand(64, 64)),
                nn.Sequential(
                    GatherExpand(64, 128, 2), *[GatherExpand(128, 128) for _ in range(3)]
                ),
            ]
        )
        self.context = ContextEmbedding(128)
        self.aggregate = GuidedAggregation(128)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return what both branches found, and the four stages of the semantic one."""
        semantic, stages = x, []
        for stage in self.stages:
            semantic = stage(semantic)
            stages.append(semantic)
        return self.aggregate(self.detail(x), self.context(semantic)), stages


@register("bisenetv2", family="BiSeNet", paper=PAPER)
class BiSeNetV2(SegmentationNetwork):
    """BiSeNetV2: a wide branch for detail, a deep one for meaning, logits at 1/8.

    As MMSegmentation has it: the last convolution of the context embedding is followed by batch
    norm and ReLU (figure 4b has a bare one), and the head is 1024 channels wide.  Four auxiliary
    heads train the semantic branch (the booster of section 4.4), with the weight 1 each.  The
    context embedding averages over the whole picture, so a tile's logits depend on all of the
    tile, and sizes that are no multiple of 32 count the zeros that they are padded with.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    input_multiple = 32
    output_stride = 8
    auxiliary = ("boosters",)
    auxiliary_weight = 1.0

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = _Encoder()
        self.head = ClassHead(128, 1024, classes)
        self.boosters = nn.ModuleList(
            ClassHead(channels, width, classes, convs=2) for channels, width, _ in HEADS
        )

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.head(self.encoder(x)[0])
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, then those of the semantic branch at 1/4, 1/8, 1/16 and 1/32."""
        padded = self._pad(x)
        features, stages = self.encoder(padded)
        return (
            self._enlarge(self.head(features), padded, x),
            *(
                self._crop(booster(stage), x, stride)
                for booster, stage, (*_, stride) in zip(self.boosters, stages, HEADS, strict=True)
            ),
        )

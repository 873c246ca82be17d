"""CGNet (Wu et al., IEEE TIP 2021)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import ConvNormAct, NormAct, StridedAvgPool
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Wu et al., CGNet: A Light-weight Context Guided Network for Semantic Segmentation, "
    "IEEE TIP 2021"
)


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
    """Local feature, surrounding and global context, and the input added (section III-A).

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


class _Encoder(nn.Module):
    """The three stages: 256 channels at 1/8."""

    def __init__(self, blocks2: int, blocks3: int) -> None:
        super().__init__()
        if blocks2 < 2 or blocks3 < 2:
            msg = f"blocks2 and blocks3 must be at least 2, got {blocks2} and {blocks3}"
            raise ValueError(msg)
        self.shrink = StridedAvgPool(3)
        self.level1 = nn.Sequential(
            ConvNormAct(3, 32, stride=2), ConvNormAct(32, 32), ConvNormAct(32, 32)
        )
        self.fuse1 = NormAct(32 + 3)
        self.down2 = ContextGuidedDown(32 + 3, 64, dilation=2, reduction=8)
        self.level2 = nn.Sequential(
            *[ContextGuided(64, dilation=2, reduction=8) for _ in range(blocks2 - 1)]
        )
        self.fuse2 = NormAct(64 + 64 + 3)
        self.down3 = ContextGuidedDown(64 + 64 + 3, 128, dilation=4, reduction=16)
        self.level3 = nn.Sequential(
            *[ContextGuided(128, dilation=4, reduction=16) for _ in range(blocks3 - 1)]
        )
        self.fuse3 = NormAct(128 + 128)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, 256, H / 8, W / 8)``."""
        half = self.shrink(x)
        quarter = self.shrink(half)
        fused1 = self.fuse1(torch.cat([self.level1(x), half], dim=1))
        down2 = self.down2(fused1)
        # Deep features first at stage 2, last at stage 3, as in ESPNet.
        fused2 = self.fuse2(torch.cat([self.level2(down2), down2, quarter], dim=1))
        down3 = self.down3(fused2)
        fused3: Tensor = self.fuse3(torch.cat([down3, self.level3(down3)], dim=1))
        return fused3


@register("cgnet", family="CGNet", paper=PAPER)
class CGNet(SegmentationNetwork):
    """CGNet: local features with surrounding and global context, logits at 1/8.

    Every block weighs its channels by a mean over the whole picture, so a tile's logits depend on
    all of the tile, and sizes that are no multiple of 8 count the zeros that they are padded with
    (the authors' network rounds such sizes up after each stage).

    Parameters
    ----------
    classes : int
        1 to 255.
    form : {"authors", "mmseg"}
        The classifier without bias, or with, as in MMSegmentation.
    blocks2, blocks3 : int
        Context-guided blocks in stages 2 and 3, the one that shrinks included; at least 2 each
        (paper: M = 3, N = 21).
    """

    input_multiple = 8
    output_stride = 8

    def __init__(
        self,
        classes: int,
        *,
        form: Literal["authors", "mmseg"] = "authors",
        blocks2: int = 3,
        blocks3: int = 21,
    ) -> None:
        super().__init__(classes)
        self.form = form
        self.encoder = _Encoder(blocks2, blocks3)
        self.classifier = nn.Conv2d(256, classes, 1, bias=form == "mmseg")

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.classifier(self.encoder(x))
        return logits

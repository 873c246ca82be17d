"""ESPNetv2 with both decoders that its authors published (Mehta et al., CVPR 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.adaptive_pooling import adaptive_avg_pool
from wsiseg.models.layers.convolutions import PLAIN_EPSILON, ConvNormAct, NormAct, StridedAvgPool
from wsiseg.models.layers.eesp import EESP, NARROW, WIDE, StridedEESP
from wsiseg.models.layers.interpolation import scale
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Mehta et al., ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional "
    "Neural Network, CVPR 2019"
)

CHANNELS = {
    0.5: (16, 32, 64, 128),
    1.0: (32, 64, 128, 256),
    1.25: (32, 80, 160, 320),
    1.5: (32, 96, 192, 384),
    2.0: (32, 128, 256, 512),
}
"""Channels of the levels at 1/2, 1/4, 1/8 and 1/16 by width; the first is never over 32."""

EDGENETS_CHANNELS = (64, 48, 32)
"""Channels of EdgeNets' decoder at 1/16, 1/8 and 1/4."""

WIDEST_PYRAMID = 16
"""Channels per scale that EdgeNets' decoder has at most, however many classes there are."""

Levels = tuple[Tensor, Tensor, Tensor, Tensor]


_double = partial(scale, factor=2.0, aligned=True)


SCALES = ((2, 1), (3, 2), (1, 1), (1, 2), (1, 10))
"""Sizes at which the branches work, as fractions of the map's, the largest first."""

SMALLEST = 5
"""Pixels along an axis that a branch has at least."""


class EfficientPyrPool(nn.Module):
    """Look at a map at five scales, shuffle the channels of all of them, and merge (EdgeNets).

    Enlarged maps are pooled back adaptively, as in the authors' code.  Where the map's edges are
    known to be even, the windows repeat themselves and plain operations give the same, which
    saves OpenVINO a quarter of the whole network's time.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    width : int
        Channels of each branch.
    even : bool
        All maps that come in have even edges of 4 pixels or more.
    last : bool
        The result is logits: with a bias, without normalisation and activation.
    """

    conv_norm_pairs = (("expand", "fuse"),)

    def __init__(
        self, inputs: int, outputs: int, width: int, *, even: bool = False, last: bool = False
    ) -> None:
        super().__init__()
        self.even = even
        self.project = ConvNormAct(inputs, width, kernel=1, epsilon=PLAIN_EPSILON)
        self.branches = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False) for _ in SCALES
        )
        self.gather = NormAct(width * len(SCALES), epsilon=PLAIN_EPSILON)
        self.merge = ConvNormAct(width * len(SCALES), width, groups=width, epsilon=PLAIN_EPSILON)
        self.fuse = nn.Identity() if last else NormAct(outputs, epsilon=PLAIN_EPSILON)
        self.expand = nn.Conv2d(width, outputs, 1, bias=last)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        narrow = self.project(x)
        seen = [
            self._at_scale(branch, narrow, *scale)
            for branch, scale in zip(self.branches, SCALES, strict=True)
        ]
        gathered = self.gather(torch.cat(seen, dim=1))
        # One channel of every scale after the other, so that each group merges all scales.
        shuffled = gathered.unflatten(1, (len(SCALES), -1)).transpose(1, 2).flatten(1, 2)
        out: Tensor = self.fuse(self.expand(self.merge(shuffled)))
        return out

    def _at_scale(self, branch: nn.Module, x: Tensor, numerator: int, denominator: int) -> Tensor:
        """Resize, convolve, and resize back."""
        size = x.shape[2:]
        scaled = [_scale(length, numerator, denominator) for length in size]
        if numerator < denominator:
            return _enlarge(branch(_shrink(x, scaled)), size)
        if numerator == denominator:
            out: Tensor = branch(x)
            return out
        enlarged = branch(_enlarge(x, scaled))
        if not self.even:
            return _shrink(enlarged, size)
        return F.avg_pool2d(enlarged, 2) if denominator == 1 else _two_of_three(enlarged)


def _shrink(x: Tensor, size: Sequence[int]) -> Tensor:
    height, width = size
    return adaptive_avg_pool(x, (height, width))


def _two_of_three(x: Tensor) -> Tensor:
    """Pool rows and columns by 2/3: of every three, the first two and the last two."""
    rows = torch.unflatten(x, 2, (-1, 3))
    x = (rows[:, :, :, :2] + rows[:, :, :, 1:]).flatten(2, 3)
    columns = torch.unflatten(x, 3, (-1, 3))
    return (columns[..., :2] + columns[..., 1:]).flatten(3, 4) / 4


def _enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=list(size), mode="bilinear", align_corners=True)


def _scale(length: int | Tensor, numerator: int, denominator: int) -> int:
    """Return a scaled length, rounded up, but no less than the smallest."""
    scaled = (length * numerator + denominator - 1) // denominator
    if isinstance(scaled, Tensor):
        # While tracing, lengths are tensors; a comparison would be baked into the graph.
        return scaled.clamp(min=SMALLEST)  # type: ignore[return-value]
    return max(scaled, SMALLEST)


class EfficientPWConv(nn.Module):
    """Grouped 3×3 convolution, its channels weighted by a global average pool (EdgeNets).

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out; as many groups as their greatest common divisor.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.expand = ConvNormAct(
            inputs, outputs, groups=math.gcd(inputs, outputs), epsilon=PLAIN_EPSILON
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        weight = torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        out: Tensor = self.expand(x) * weight
        return out


STAGES = 4
"""Times that the map is halved."""


class DepthwisePyramidPooling(nn.Module):
    """Halve the map again and again, convolve depth-wise at every size, merge (standalone).

    Parameters
    ----------
    channels : int
        Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.halve = nn.AvgPool2d(3, stride=2, padding=1)
        self.branches = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
            for _ in range(STAGES)
        )
        self.merge = ConvNormAct(channels * (STAGES + 1), channels, kernel=1, epsilon=PLAIN_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        seen, pooled = [x], x
        for branch in self.branches:
            pooled = self.halve(pooled)
            seen.append(
                F.interpolate(branch(pooled), size=x.shape[2:], mode="bilinear", align_corners=True)
            )
        out: Tensor = self.merge(torch.cat(seen, dim=1))
        return out


class ESPNetv2Encoder(nn.Module):
    """The levels of the classifier that segmentation uses: 1/2 to 1/16.

    Parameters
    ----------
    channels : tuple of int
        Of the four levels.
    """

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = channels
        self.shrink = StridedAvgPool(3)
        self.level1 = ConvNormAct(3, half, stride=2, epsilon=PLAIN_EPSILON)
        self.down2 = StridedEESP(half, quarter, WIDE)
        self.down3 = StridedEESP(quarter, eighth, WIDE)
        self.level3 = nn.Sequential(*[EESP(eighth, eighth, WIDE) for _ in range(3)])
        self.down4 = StridedEESP(eighth, sixteenth, WIDE)
        self.level4 = nn.Sequential(*[EESP(sixteenth, sixteenth, NARROW) for _ in range(7)])

    def forward(self, x: Tensor) -> Levels:
        """Map ``(B, 3, H, W)`` to the features at 1/2, 1/4, 1/8 and 1/16."""
        image = self.shrink(self.shrink(x))
        level1 = self.level1(x)
        level2 = self.down2(level1, image)
        image = self.shrink(image)
        level3 = self.level3(self.down3(level2, image))
        level4 = self.level4(self.down4(level3, self.shrink(image)))
        return level1, level2, level3, level4


class _EdgeNetsDecoder(nn.Module):
    """Bottom-up: an efficient pyramid at every level, encoder features added through gates."""

    def __init__(self, channels: tuple[int, int, int, int], classes: int, pyramid: int) -> None:
        super().__init__()
        deep, middle, shallow = EDGENETS_CHANNELS
        self.merge3 = EfficientPWConv(channels[2], deep)
        self.merge2 = EfficientPWConv(channels[1], middle)
        self.merge1 = EfficientPWConv(channels[0], shallow)
        self.fuse3 = NormAct(deep, epsilon=PLAIN_EPSILON)
        self.fuse2 = NormAct(middle, epsilon=PLAIN_EPSILON)
        self.fuse1 = NormAct(shallow, epsilon=PLAIN_EPSILON)
        # Inputs are multiples of 16, so that maps at 1/4 and 1/2 are multiples of 4 and 8.
        self.pyramid4 = EfficientPyrPool(channels[3], deep, pyramid)
        self.pyramid3 = EfficientPyrPool(deep, middle, pyramid)
        self.pyramid2 = EfficientPyrPool(middle, shallow, pyramid, even=True)
        self.pyramid1 = EfficientPyrPool(shallow, classes, pyramid, even=True, last=True)

    def forward(self, levels: Levels) -> tuple[Tensor, ...]:
        """Return the logits at full size."""
        level1, level2, level3, level4 = levels
        x = self.pyramid4(level4)
        x = self.pyramid3(self.fuse3(self.merge3(level3) + _double(x)))
        x = self.pyramid2(self.fuse2(self.merge2(level2) + _double(x)))
        x = self.pyramid1(self.fuse1(self.merge1(level1) + _double(x)))
        return (_double(x),)


class _StandaloneDecoder(nn.Module):
    """Pyramid pooling at 1/8, then a 1×1 convolution per level in as many channels as classes."""

    def __init__(self, channels: tuple[int, int, int, int], classes: int, dropout: float) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = channels
        self.project4 = ConvNormAct(sixteenth, eighth, kernel=1, epsilon=PLAIN_EPSILON)
        self.merge3 = nn.Sequential(
            EESP(2 * eighth, eighth, NARROW), DepthwisePyramidPooling(eighth)
        )
        self.drop = nn.Dropout2d(dropout)
        self.project3 = nn.Conv2d(eighth, classes, 1, bias=False)
        self.fuse3 = NormAct(classes, epsilon=PLAIN_EPSILON)
        self.project2 = ConvNormAct(quarter + classes, classes, kernel=1, epsilon=PLAIN_EPSILON)
        self.project1 = nn.Conv2d(half + classes, classes, 1, bias=False)

    def forward(self, levels: Levels) -> tuple[Tensor, ...]:
        """Return the logits at full size, and those of the deepest classifier, at 1/8."""
        level1, level2, level3, level4 = levels
        merged3 = self.merge3(torch.cat([level3, _double(self.project4(level4))], dim=1))
        auxiliary = self.project3(self.drop(merged3))
        up3 = _double(self.fuse3(auxiliary))
        up2 = _double(self.project2(torch.cat([level2, up3], dim=1)))
        logits = self.project1(self.drop(torch.cat([level1, up2], dim=1)))
        return _double(logits), auxiliary


@register("espnetv2", family="ESPNet", paper=PAPER)
class ESPNetv2(SegmentationNetwork):
    """ESPNetv2: depth-wise dilated pyramids, an encoder that is shown the image at every level.

    The encoder (section 3) is that of the authors' classifier without its last level.  They
    published two decoders, which the paper does not describe in full:

    ``edgenets``
        Of their EdgeNets repository: at every level an efficient pyramid pool, features of the
        encoder added through gates that average over the whole picture.  Its pyramids are half
        as wide as there are classes, at most 16 channels (the width for MS COCO, 32, is left
        out).  With 1 class theirs would have no channel and fails; here it has one.  From 2
        classes on it is theirs, bit for bit, unless `pyramid` asks for another width.
    ``standalone``
        Of the repository that came with the paper: pyramid pooling at 1/8 and one 1×1
        convolution per level.  Training compares the logits at 1/8 as well, enlarged three
        times by two, with the same weight.

    All resizing aligns corners, and both decoders end with a resize to full size, which belongs
    to :meth:`dense`.  The slopes behind the three strided pyramids are dead weight, in the
    authors' networks and here: they count as parameters and never get a gradient.

    Parameters
    ----------
    classes : int
        1 to 255.
    width : float
        Width multiplier s: 0.5, 1.0, 1.25, 1.5 or 2.0.
    decoder : {"edgenets", "standalone"}
        Which of the two.
    pyramid : int
        Channels per scale in the decoder ``edgenets``; 0 for half the number of classes, 1 to 16.
        With that of a trained network, one of other classes shares all its layers but the last.
    """

    input_multiple = 16
    auxiliary_weight = 1.0

    def __init__(
        self,
        classes: int,
        *,
        width: float = 1.0,
        decoder: Literal["edgenets", "standalone"] = "edgenets",
        pyramid: int = 0,
    ) -> None:
        super().__init__(classes)
        if width not in CHANNELS:
            msg = f"width must be one of {', '.join(map(str, CHANNELS))}, got {width}"
            raise ValueError(msg)
        if pyramid < 0 or (pyramid and decoder != "edgenets"):
            msg = f"pyramid is a width of the decoder edgenets, got {pyramid} for {decoder}"
            raise ValueError(msg)
        channels = CHANNELS[width]
        self.encoder = ESPNetv2Encoder(channels)
        self.decoder: nn.Module
        if decoder == "edgenets":
            pyramid = pyramid or max(1, min(classes // 2, WIDEST_PYRAMID))
            self.shared_arguments = {"pyramid": pyramid}
            self.decoder = _EdgeNetsDecoder(channels, classes, pyramid)
        else:
            self.decoder = _StandaloneDecoder(channels, classes, 0.1 if width <= 0.5 else 0.2)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H, W)``."""
        logits: Tensor = self.decoder(self.encoder(x))[0]
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, and with the decoder ``standalone`` those from 1/8, at full size."""
        height, width = x.shape[-2:]
        main, *auxiliary = self.decoder(self.encoder(self._pad(x)))
        enlarged = (_double(_double(_double(logits))) for logits in auxiliary)
        return tuple(logits[..., :height, :width] for logits in (main, *enlarged))

"""Units that the ESPNet paper compares its pyramid with, in the form that its figure 3 draws.

Every unit keeps the channels and the size.  What is normalised where is not in the paper; here it
is so that ESPNet-C with three units at level 3, strided convolutions and 20 classes has the number
of parameters that was published (in millions, poster of the authors):

==========  =========  =========
unit        published  here
==========  =========  =========
MobileNet       0.233      0.233
ShuffleNet      0.181      0.181
Inception       0.328      0.328
ResNeXt         0.424      0.424
ResNet          1.200      1.205
ASP                 –      2.751
==========  =========  =========

ESP itself has 0.187 million as published only with its own strided form.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import ConvNorm, ConvNormAct, NormAct

Activation = Callable[[int], nn.Module]

GROUPS = 4
"""Groups of ShuffleNet's 1×1 convolutions and branches of ResNeXt, by the parameter counts."""

BRANCHES = 5
"""K, the branches of the other units that have some."""


class MobileNetUnit(nn.Sequential):
    """A depth-wise 3×3 convolution and a 1×1 convolution.

    MobileNet normalises behind both; the published count leaves room for the second only.

    Parameters
    ----------
    channels : int
        Channels in and out.
    activation : callable
        Makes an activation for a number of channels; the same in all units.
    """

    def __init__(self, channels: int, activation: Activation = nn.PReLU) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = ConvNormAct(channels, channels, kernel=1, activation=activation)


class ShuffleNetUnit(nn.Module):
    """Grouped 1×1, channel shuffle, depth-wise 3×3, grouped 1×1, and the input added.

    Parameters
    ----------
    channels : int
        Channels in and out, a multiple of 16.
    activation : callable
        As for :class:`MobileNetUnit`.
    """

    def __init__(self, channels: int, activation: Activation = nn.PReLU) -> None:
        super().__init__()
        width = channels // 4
        self.reduce = ConvNormAct(channels, width, kernel=1, groups=GROUPS, activation=activation)
        self.depthwise = ConvNorm(width, width, groups=width)
        self.expand = ConvNorm(width, channels, kernel=1, groups=GROUPS)
        self.fuse = NormAct(channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        reduced = self.reduce(x).unflatten(1, (GROUPS, -1))
        shuffled = reduced.transpose(1, 2).flatten(1, 2)
        out: Tensor = self.fuse(x + self.expand(self.depthwise(shuffled)))
        return out


class InceptionUnit(nn.Module):
    """Branches of a 1×1 and a 3×3 convolution, concatenated: Inception made homogeneous.

    Parameters
    ----------
    channels : int
        Channels in and out, at least 5.  What a division leaves over goes to the first branch.
    activation : callable
        As for :class:`MobileNetUnit`.
    """

    def __init__(self, channels: int, activation: Activation = nn.PReLU) -> None:
        super().__init__()
        width = channels // BRANCHES
        first = channels - width * (BRANCHES - 1)
        self.reduce = ConvNormAct(channels, width * BRANCHES, kernel=1, activation=activation)
        self.branches = nn.ModuleList(
            nn.Conv2d(width, width if place else first, 3, padding=1, bias=False)
            for place in range(BRANCHES)
        )
        self.fuse = NormAct(channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        parts = self.reduce(x).chunk(BRANCHES, dim=1)
        seen = [branch(part) for branch, part in zip(self.branches, parts, strict=True)]
        out: Tensor = self.fuse(torch.cat(seen, dim=1))
        return out


class ResNeXtUnit(nn.Module):
    """Branches of a 1×1, a 3×3 and a 1×1 convolution, summed, and the input added.

    Written with grouped convolutions, one group per branch.

    Parameters
    ----------
    channels : int
        Channels in and out, a multiple of 4.
    activation : callable
        As for :class:`MobileNetUnit`.
    """

    def __init__(self, channels: int, activation: Activation = nn.PReLU) -> None:
        super().__init__()
        self.reduce = ConvNormAct(channels, channels, kernel=1, activation=activation)
        self.transform = ConvNormAct(channels, channels, groups=GROUPS, activation=activation)
        self.expand = ConvNormAct(
            channels, GROUPS * channels, kernel=1, groups=GROUPS, activation=activation
        )
        self.fuse = NormAct(channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        branches = self.expand(self.transform(self.reduce(x))).unflatten(1, (GROUPS, -1))
        out: Tensor = self.fuse(x + branches.sum(dim=1))
        return out


class ResNetUnit(nn.Module):
    """Two 3×3 convolutions, and the input added.

    Parameters
    ----------
    channels : int
        Channels in and out.
    activation : callable
        As for :class:`MobileNetUnit`.
    """

    def __init__(self, channels: int, activation: Activation = nn.PReLU) -> None:
        super().__init__()
        self.first = ConvNormAct(channels, channels, activation=activation)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.fuse = NormAct(channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        out: Tensor = self.fuse(x + self.second(self.first(x)))
        return out


class ASPUnit(nn.Module):
    """Atrous spatial pyramid: dilated 3×3 convolutions of all channels, summed.

    Parameters
    ----------
    channels : int
        Channels in and out.
    activation : callable
        As for :class:`MobileNetUnit`.
    """

    def __init__(self, channels: int, activation: Activation = nn.PReLU) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=2**k, dilation=2**k, bias=False)
            for k in range(BRANCHES)
        )
        self.fuse = NormAct(channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        first, *others = [branch(x) for branch in self.branches]
        for branch in others:
            first = first + branch
        out: Tensor = self.fuse(first)
        return out


UNITS: dict[str, Callable[[int, Activation], nn.Module]] = {
    "mobilenet": MobileNetUnit,
    "shufflenet": ShuffleNetUnit,
    "inception": InceptionUnit,
    "resnext": ResNeXtUnit,
    "resnet": ResNetUnit,
    "asp": ASPUnit,
}
"""The units by the name that ``--set unit=`` takes."""

"""The convolutions of VGG-16 (Simonyan and Zisserman, ICLR 2015, table 1, column D)."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from wsiseg.models.layers.convolutions import PLAIN_EPSILON, ConvNormAct, relu

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of the 3×3 convolutions between poolings."""


def convolutions(channels: Iterable[int], *, norm: bool) -> nn.Sequential:
    """Return 3×3 convolutions with a bias and ReLUs, one fewer than there are numbers of channels.

    Parameters
    ----------
    channels : iterable of int
        In front of each convolution, and behind the last one.
    norm : bool
        Whether batch norm stands behind each.
    """
    layers: list[nn.Module] = []
    inputs, *widths = channels
    for outputs in widths:
        if norm:
            layers.append(
                ConvNormAct(inputs, outputs, bias=True, epsilon=PLAIN_EPSILON, activation=relu)
            )
        else:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
        inputs = outputs
    return nn.Sequential(*layers)


def vgg_stages(*, norm: bool) -> nn.ModuleList:
    """Return the five stages of VGG-16, without the poolings between them."""
    stages = nn.ModuleList()
    inputs = 3
    for width, count in STAGES:
        stages.append(convolutions((inputs, *[width] * count), norm=norm))
        inputs = width
    return stages

"""Convolutions as most networks have them: PyTorch's own batch norm, ReLU where any."""

from __future__ import annotations

from typing import TypedDict, Unpack

from wsiseg.models.layers.elementary import PLAIN_EPSILON, ConvNorm, ConvNormAct, relu


class PlainSettings(TypedDict, total=False):
    """What these convolutions take by name; see :class:`ConvNorm`."""

    kernel: int
    dilation: int
    groups: int
    bias: bool


def conv_norm(
    inputs: int, outputs: int, stride: int = 1, **settings: Unpack[PlainSettings]
) -> ConvNorm:
    """Return a convolution that keeps the size, and batch norm."""
    return ConvNorm(inputs, outputs, stride, epsilon=PLAIN_EPSILON, **settings)


def conv_norm_relu(
    inputs: int, outputs: int, stride: int = 1, **settings: Unpack[PlainSettings]
) -> ConvNormAct:
    """Return a convolution that keeps the size, batch norm and ReLU."""
    return ConvNormAct(inputs, outputs, stride, activation=relu, epsilon=PLAIN_EPSILON, **settings)

"""Convolution, batch norm and activation in the combinations that every network uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGE_EPSILON = 1e-3
"""Batch-norm epsilon of the first ESPNet, whose published weights work with no other.

CGNet, DABNet, ERFNet and RDRNet have it as well."""

PLAIN_EPSILON = 1e-5
"""Batch-norm epsilon of nearly all other networks, PyTorch's own."""


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that also trains where a batch holds a single value per channel.

    PyTorch refuses those, and a picture's global average or a tiny tile through many strides is
    nothing else.  One value has no variance, so the running statistics stand in.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


class NormAct(nn.Sequential):
    """Batch norm followed by an activation, by default a PReLU with one slope per channel.

    Maps ``(B, channels, H, W)`` to the same shape.

    Parameters
    ----------
    channels : int
        Channels in and out.
    epsilon : float
        Of the batch norm.
    activation : callable
        Makes the activation for a number of channels.
    """

    def __init__(
        self,
        channels: int,
        *,
        epsilon: float = LARGE_EPSILON,
        activation: Callable[[int], nn.Module] = nn.PReLU,
    ) -> None:
        super().__init__()
        self.norm = BatchNorm(channels, eps=epsilon)
        self.act = activation(channels)


class ConvSettings(TypedDict, total=False):
    """What :class:`ConvNorm` takes by name."""

    kernel: int
    dilation: int
    groups: int
    bias: bool
    epsilon: float


class ConvNorm(nn.Sequential):
    """Convolution that keeps the size, and batch norm.

    Maps ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``, rounded up.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    stride : int
        Stride of the convolution.
    kernel : int
        Its edge, odd; zeros around keep the size.
    dilation, groups : int
        Its dilation and groups.
    bias : bool
        Whether it has a bias, which the batch norm makes superfluous.
    epsilon : float
        Of the batch norm.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        kernel: int = 3,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        epsilon: float = LARGE_EPSILON,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride,
            padding=kernel // 2 * dilation,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
        self.norm = BatchNorm(outputs, eps=epsilon)


def relu(_channels: int) -> nn.Module:
    """Return a ReLU, which is the same for any number of channels."""
    return nn.ReLU(inplace=True)


class ConvNormAct(ConvNorm):
    """A :class:`ConvNorm` with an activation after it.

    Parameters
    ----------
    inputs, outputs, stride, **settings
        As :class:`ConvNorm` takes them.
    activation : callable
        Makes the activation for a number of channels.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        activation: Callable[[int], nn.Module] = nn.PReLU,
        **settings: Unpack[ConvSettings],
    ) -> None:
        super().__init__(inputs, outputs, stride, **settings)
        self.act = activation(outputs)


class StridedAvgPool(nn.Module):
    """3×3 average pooling of stride 2, counting the zeros beyond the border.

    Written as a depth-wise convolution with constant weights: OpenVINO then keeps one memory
    layout from the image on, which makes the whole of ESPNet a fifth faster.

    Parameters
    ----------
    channels : int
        Channels in and out.
    """

    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        weight = torch.full((channels, 1, 3, 3), 1 / 9)
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, channels, H / 2, W / 2)``, rounded up."""
        return F.conv2d(x, self.weight, stride=2, padding=1, groups=self.channels)


class PlainSettings(TypedDict, total=False):
    """What these convolutions take by name; see :class:`ConvNorm`."""

    kernel: int
    dilation: int
    groups: int
    bias: bool


def conv_norm(
    inputs: int, outputs: int, stride: int = 1, **settings: Unpack[PlainSettings]
) -> ConvNorm:
    """Return a convolution that keeps the size, and batch norm, with PyTorch's own epsilon.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    stride : int
        Stride of the convolution.
    **settings
        `kernel`, `dilation`, `groups` and `bias` of :class:`ConvNorm`.
    """
    return ConvNorm(inputs, outputs, stride, epsilon=PLAIN_EPSILON, **settings)


def conv_norm_relu(
    inputs: int, outputs: int, stride: int = 1, **settings: Unpack[PlainSettings]
) -> ConvNormAct:
    """Return a convolution that keeps the size, batch norm and ReLU, with PyTorch's own epsilon.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    stride : int
        Stride of the convolution.
    **settings
        `kernel`, `dilation`, `groups` and `bias` of :class:`ConvNorm`.
    """
    return ConvNormAct(inputs, outputs, stride, activation=relu, epsilon=PLAIN_EPSILON, **settings)

"""Convolution, normalisation and activation in the combinations that every network uses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ESPNET_EPSILON = 1e-3
"""Batch-norm epsilon of the first ESPNet; its published weights work with no other.

CGNet and DABNet have it as well."""

PLAIN_EPSILON = 1e-5
"""Batch-norm epsilon of nearly all other networks, PyTorch's own."""


class NormAct(nn.Module):
    """Batch norm followed by a PReLU with one slope per channel.

    Parameters
    ----------
    channels : int
        Channels in and out.
    epsilon : float
        Of the batch norm.
    """

    def __init__(self, channels: int, *, epsilon: float = ESPNET_EPSILON) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=epsilon)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        out: Tensor = self.act(self.norm(x))
        return out


class ConvNorm(nn.Sequential):
    """Bias-free convolution and batch norm.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    stride : int
        Stride of the convolution.
    kernel : int
        Its edge, odd; zeros around keep the size.
    groups : int
        Its groups.
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
        groups: int = 1,
        epsilon: float = ESPNET_EPSILON,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs, eps=epsilon)


class ConvNormAct(ConvNorm):
    """Bias-free convolution, batch norm, PReLU; takes what :class:`ConvNorm` takes."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        kernel: int = 3,
        groups: int = 1,
        epsilon: float = ESPNET_EPSILON,
    ) -> None:
        super().__init__(inputs, outputs, stride, kernel=kernel, groups=groups, epsilon=epsilon)
        self.act = nn.PReLU(outputs)


class PointNormAct(nn.Sequential):
    """Bias-free 1×1 convolution, batch norm, PReLU.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=ESPNET_EPSILON)
        self.act = nn.PReLU(outputs)


class Halve(nn.Module):
    """3×3 average pooling of stride 2, zeros beyond the border counting in.

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
        weight = torch.full((channels, 1, 3, 3), 1 / 9)
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, channels, H / 2, W / 2)``, rounded up."""
        return F.conv2d(x, self.weight, stride=2, padding=1, groups=len(self.weight))

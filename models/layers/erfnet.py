"""Building blocks of ERFNet (paper, section III)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.elementary import LARGE_EPSILON, BatchNorm


class DownsamplerBlock(nn.Module):
    """A strided 3×3 convolution beside max-pooling, then batch norm and ReLU.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out; the convolution makes the difference, so `outputs` is the larger.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs - inputs, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.norm = BatchNorm(outputs, eps=LARGE_EPSILON)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / 2, W / 2)``."""
        out: Tensor = self.act(self.norm(torch.cat([self.conv(x), self.pool(x)], dim=1)))
        return out


class FactorisedConvolution(nn.Sequential):
    """A 3×1 and a 1×3 convolution with a ReLU between and batch norm behind, both with bias.

    Parameters
    ----------
    channels : int
        Channels in and out.
    dilation : int
        Of both convolutions.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        d = dilation
        self.vertical = nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1))
        self.act = nn.ReLU()
        self.horizontal = nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d))
        self.norm = BatchNorm(channels, eps=LARGE_EPSILON)


class NonBottleneck1D(nn.Module):
    """Two factorised 3×3 convolutions, the second dilated, around a residual connection.

    Parameters
    ----------
    channels : int
        Channels in and out.
    dilation : int
        Of the second pair.
    dropout : float
        Probability that a channel of the residual branch is dropped in training.
    """

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.first = FactorisedConvolution(channels, 1)
        self.second = FactorisedConvolution(channels, dilation)
        self.dropout = nn.Dropout2d(dropout)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        branch = self.dropout(self.second(self.act(self.first(x))))
        out: Tensor = self.act(x + branch)
        return out


class UpsamplerBlock(nn.Sequential):
    """A 3×3 deconvolution of stride 2, then batch norm and ReLU.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.norm = BatchNorm(outputs, eps=LARGE_EPSILON)
        self.act = nn.ReLU()

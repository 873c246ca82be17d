"""ERFNet (Romera et al., IEEE T-ITS 2018)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import LARGE_EPSILON, BatchNorm
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Romera et al., ERFNet: Efficient Residual Factorized ConvNet for Real-Time Semantic "
    "Segmentation, IEEE T-ITS 2018"
)

_DILATIONS = (2, 4, 8, 16, 2, 4, 8, 16)
_ENCODER_STRIDE = 8


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

    Maps ``(B, channels, H, W)`` to the same shape.

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
    """Two factorised 3×3 convolutions, the second dilated, and the input added (section III).

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

    Maps ``(B, inputs, H, W)`` to ``(B, outputs, 2 H, 2 W)``.

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


@register("erfnet", family="ERFNet", paper=PAPER)
class ERFNet(SegmentationNetwork):
    """ERFNet: residual blocks of factorised convolutions (paper, table I).

    The authors train the encoder first, through a classifier of its own at 1/8, and the decoder
    on top of it afterwards.  Here both are supervised at once; that classifier stands in the
    parameters, as it does in theirs, and inference does not run it.

    Parameters
    ----------
    classes : int
        1 to 255.
    form : {"authors", "mmseg"}
        The authors' network, logits at full resolution by a last deconvolution; or that of
        MMSegmentation, which has no classifier in the encoder, drops a tenth everywhere in it, and
        ends in a convolutional head with logits at 1/2.  Where MMSegmentation drops single values,
        this drops channels, as the authors do.
    """

    input_multiple = 8

    def __init__(self, classes: int, *, form: Literal["authors", "mmseg"] = "authors") -> None:
        super().__init__(classes)
        self.form = form
        light, heavy = (0.03, 0.3) if form == "authors" else (0.1, 0.1)
        self.encoder = nn.Sequential(
            DownsamplerBlock(3, 16),
            DownsamplerBlock(16, 64),
            *[NonBottleneck1D(64, 1, light) for _ in range(5)],
            DownsamplerBlock(64, 128),
            *[NonBottleneck1D(128, dilation, heavy) for dilation in _DILATIONS],
        )
        self.decoder = nn.Sequential(
            UpsamplerBlock(128, 64),
            *[NonBottleneck1D(64, 1, 0.0) for _ in range(2)],
            UpsamplerBlock(64, 16),
            *[NonBottleneck1D(16, 1, 0.0) for _ in range(2)],
        )
        if form == "authors":
            self.auxiliary = ("encoder_classifier",)
            self.encoder_classifier = nn.Conv2d(128, classes, 1)
            self.classifier: nn.Module = nn.ConvTranspose2d(16, classes, 2, stride=2)
        else:
            self.output_stride = 2
            self.head = nn.Sequential(
                nn.Conv2d(16, 128, 3, padding=1, bias=False),
                BatchNorm(128),
                nn.ReLU(),
                nn.Dropout2d(0.1),
            )
            self.classifier = nn.Conv2d(128, classes, 1)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H, W)``, half that size in the form of mmseg."""
        return self._decode(self.encoder(x))

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits at full size and, in the authors' form, the encoder's at 1/8."""
        if self.form == "mmseg":
            return super().supervised(x)
        height, width = x.shape[-2:]
        features = self.encoder(self._pad(x))
        rows, columns = -(-height // _ENCODER_STRIDE), -(-width // _ENCODER_STRIDE)
        return (
            self._decode(features)[..., :height, :width],
            self.encoder_classifier(features)[..., :rows, :columns],
        )

    def _decode(self, features: Tensor) -> Tensor:
        decoded = self.decoder(features)
        logits: Tensor = self.classifier(self.head(decoded) if self.form == "mmseg" else decoded)
        return logits

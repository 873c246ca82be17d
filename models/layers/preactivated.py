"""Convolutions with norm and ReLU in front (He et al., Identity Mappings, ECCV 2016)."""

from __future__ import annotations

from torch import nn

from wsiseg.models.layers.convolutions import BatchNorm, relu


class NormActConv(nn.Sequential):
    """Batch norm, ReLU, and a convolution without bias that keeps the size.

    Maps ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    kernel : int
        Edge of the kernel, odd.
    groups : int
        Of the convolution.
    epsilon : float
        Of the batch norm.
    """

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int = 1, groups: int = 1, epsilon: float
    ) -> None:
        super().__init__()
        self.norm = BatchNorm(inputs, eps=epsilon)
        self.act = relu(inputs)
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False
        )


class PixelHead(nn.Sequential):
    """Norm and ReLU around a 3×3 convolution, then a classifier.

    Maps ``(B, inputs, H, W)`` to ``(B, classes, H, W)``.

    Parameters
    ----------
    inputs, width, classes : int
        Channels in, between the convolutions, and out.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, inputs: int, width: int, classes: int, epsilon: float) -> None:
        super().__init__()
        self.features = NormActConv(inputs, width, kernel=3, epsilon=epsilon)
        self.norm = BatchNorm(width, eps=epsilon)
        self.act = relu(width)
        self.classifier = nn.Conv2d(width, classes, 1)

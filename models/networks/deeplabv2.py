"""DeepLab-v2 (Chen et al., TPAMI 2018)."""

from __future__ import annotations

from torch import Tensor, nn

from wsiseg.models.layers.aspp import ASPP
from wsiseg.models.layers.resnet import ResNet
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Chen et al., DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous "
    "Convolution, and Fully Connected CRFs, TPAMI 2018"
)

RATES = (6, 12, 18, 24)
"""Dilations of the pyramid ASPP-L (§3.2)."""


class _Encoder(nn.Module):
    """The residual network, which shrinks to 1/8 only: 2048 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet("resnet101", strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), early=True)
        self.channels = self.resnet.channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, 2048, H / 8, W / 8)``."""
        deepest: Tensor = self.resnet(x)[-1]
        return deepest


@register("deeplabv2", family="DeepLab", paper=PAPER)
class DeepLabv2(SegmentationNetwork):
    """DeepLab-v2: classifiers of four dilations, added up, on a dilated residual network.

    The network alone: without the second and third size at which the authors look at each
    picture, and without the random field that follows theirs.  The pooling at the beginning
    rounds down where Caffe's rounds up.  It has the 42,500,160 parameters of a residual network
    of 101 layers and 18,433 for each class and
    dilation.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    input_multiple = 8
    output_stride = 8

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = _Encoder()
        self.classifier = ASPP(self.encoder.channels, classes, RATES)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.classifier(self.encoder(x))
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits at 1/8, where the authors train them (§4.1)."""
        return (self.coarse(x),)

"""PSPNet (Zhao et al., CVPR 2017)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from wsiseg.models.layers.class_head import ClassHead
from wsiseg.models.layers.ppm import PPM
from wsiseg.models.layers.resnet import ResNet
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = "Zhao et al., Pyramid Scene Parsing Network, CVPR 2017"

_POOLED = 512


class _Encoder(nn.Module):
    """The residual network, which shrinks to 1/8 only, and the pyramid of pooled regions."""

    def __init__(self, backbone: Literal["resnet50", "resnet101"]) -> None:
        super().__init__()
        self.resnet = ResNet(
            backbone, stem=(64, 64, 128), strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)
        )
        *_, third, fourth = self.resnet.channels
        self.pool = PPM(fourth, _POOLED)
        self.channels = (third, fourth + _POOLED * len(self.pool.grids))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map of the third stage, and the last with its pooled regions, at 1/8."""
        *_, third, fourth = self.resnet(x)
        return third, self.pool(fourth)


@register("pspnet", family="PSPNet", paper=PAPER)
class PSPNet(SegmentationNetwork):
    """PSPNet: averages over regions of four sizes beside every pixel's features, logits at 1/8.

    With the stem of three 3×3 convolutions that the authors gave their residual networks, strides
    in the 3×3 convolutions as in their PyTorch program (their first one had them before), and
    68,072,166 parameters with 101 layers and 19 classes, 2,364,691 of them in the auxiliary head
    (§3.3).  Resizing does not align corners, where the authors' pictures of 8 n + 1 pixels do.
    The regions divide the whole picture, so a tile's logits depend on all of the tile, and sizes
    that are no multiple of 8 count the zeros that they are padded with.

    Parameters
    ----------
    classes : int
        1 to 255.
    backbone : {"resnet50", "resnet101"}
        The residual network.
    """

    input_multiple = 8
    output_stride = 8
    auxiliary = ("classifier_third",)

    def __init__(
        self, classes: int, *, backbone: Literal["resnet50", "resnet101"] = "resnet101"
    ) -> None:
        super().__init__(classes)
        self.backbone = backbone
        self.encoder = _Encoder(backbone)
        third, last = self.encoder.channels
        self.classifier = ClassHead(last, 512, classes)
        self.classifier_third = ClassHead(third, 256, classes)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.classifier(self.encoder(x)[1])
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, resized, and those of the third stage at 1/8."""
        padded = self._pad(x)
        third, last = self.encoder(padded)
        return (
            self._enlarge(self.classifier(last), padded, x),
            self._crop(self.classifier_third(third), x, self.output_stride),
        )

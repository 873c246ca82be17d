"""SegNet (Badrinarayanan et al., TPAMI 2017)."""

from __future__ import annotations

from torch import Tensor, nn

from wsiseg.models.layers.max_unpooling import max_pool, max_unpool
from wsiseg.models.layers.vgg import STAGES, convolutions, vgg_stages
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Badrinarayanan et al., SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image "
    "Segmentation, TPAMI 2017"
)


class _Encoder(nn.Module):
    """VGG-16 with batch norm, all five of its poolings."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = vgg_stages(norm=True)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return 512 channels at 1/32, and the places of the maxima of each pooling."""
        places = []
        for stage in self.stages:
            x, place = max_pool(stage(x))
            places.append(place)
        return x, places


@register("segnet", family="SegNet", paper=PAPER)
class SegNet(SegmentationNetwork):
    """SegNet: VGG-16, and its mirror image that unpools to the maxima of the encoder (§3).

    It has 29,453,971 parameters with 19 classes.  Sizes that are no multiple of 32 are padded with
    zeros; the authors' pictures of 360×480 leave rows over, which they treat apart.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    input_multiple = 32

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = _Encoder()
        self.stages = nn.ModuleList()
        outputs = (64, *[width for width, _ in STAGES[:-1]])
        for (width, count), narrower in reversed(list(zip(STAGES, outputs, strict=True))):
            self.stages.append(convolutions((*[width] * count, narrower), norm=True))
        # The mirror image of the first stage ends in the classifier.
        self.stages[-1] = convolutions((64, 64), norm=True)
        self.classifier = nn.Conv2d(64, classes, 3, padding=1)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H, W)``."""
        x, places = self.encoder(x)
        for stage, place in zip(self.stages, reversed(places), strict=True):
            x = stage(max_unpool(x, place))
        logits: Tensor = self.classifier(x)
        return logits

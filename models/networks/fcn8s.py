"""FCN-8s (Long et al., CVPR 2015)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.initialisation import he_initialise
from wsiseg.models.layers.vgg import STAGES, vgg_stages
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = "Long et al., Fully Convolutional Networks for Semantic Segmentation, CVPR 2015"


class _Encoder(nn.Module):
    """VGG-16, its fully connected layers as convolutions of 7×7 and 1×1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stages = vgg_stages(norm=False)
        self.connected = nn.Sequential(
            nn.Conv2d(STAGES[-1][0], width, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Conv2d(width, width, 1),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
        )
        he_initialise(self)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the third and fourth pooling, at 1/8 and 1/16, and the last layer, at 1/32."""
        pooled = []
        for stage in self.stages:
            x = F.max_pool2d(stage(x), 2)
            pooled.append(x)
        return pooled[2], pooled[3], self.connected(x)


class BilinearDoubling(nn.ConvTranspose2d):
    """A deconvolution that begins as bilinear interpolation to twice the size.

    Parameters
    ----------
    channels : int
        Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 4, stride=2, padding=1, bias=False)
        slope = torch.tensor([0.25, 0.75, 0.75, 0.25])
        with torch.no_grad():
            self.weight.copy_(torch.eye(channels)[..., None, None] * torch.outer(slope, slope))


@register("fcn8s", family="FCN", paper=PAPER)
class FCN8s(SegmentationNetwork):
    """FCN-8s: VGG-16, classified at three depths and summed from the deepest on, logits at 1/8.

    The first two enlargements are learnt, beginning as bilinear, and the last one is bilinear for
    good (§4.2).  Where the authors pad pictures by 100 pixels and crop what comes out, the 7×7
    convolution is padded by 3, so that every layer keeps the size; and where they train three
    networks one after the other, all is trained at once.  134,376,863 parameters with 21 classes,
    which are the 134.5 million that are quoted without the 112,896 of the last enlargement.

    Parameters
    ----------
    classes : int
        1 to 255.
    width : int
        Channels of the layers that were fully connected (VGG-16: 4096).
    """

    input_multiple = 32
    output_stride = 8

    def __init__(self, classes: int, *, width: int = 4096) -> None:
        super().__init__(classes)
        if width < 1:
            msg = f"width must be at least 1, got {width}"
            raise ValueError(msg)
        self.encoder = _Encoder(width)
        self.classifier8 = nn.Conv2d(STAGES[2][0], classes, 1)
        self.classifier16 = nn.Conv2d(STAGES[3][0], classes, 1)
        self.classifier32 = nn.Conv2d(width, classes, 1)
        self.up16 = BilinearDoubling(classes)
        self.up8 = BilinearDoubling(classes)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        eighth, sixteenth, deepest = self.encoder(x)
        at16 = self.up16(self.classifier32(deepest)) + self.classifier16(sixteenth)
        logits: Tensor = self.up8(at16) + self.classifier8(eighth)
        return logits

"""BiSeNet, the first of its name (Yu et al., ECCV 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.class_head import ClassHead
from wsiseg.models.layers.context_path import CONTEXT, ContextPath
from wsiseg.models.layers.convolutions import conv_norm_relu
from wsiseg.models.layers.resnet import ResNet
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Yu et al., BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation, "
    "ECCV 2018"
)

_DETAIL = 128


class FFM(nn.Module):
    """Feature fusion (FFM, figure 2c): join two maps and weigh the channels that come out.

    As in MMSegmentation, the weights come from one convolution, batch norm and ReLU, so that none
    is under a half.

    Parameters
    ----------
    inputs, outputs : int
        Channels of both maps together, and out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.join = conv_norm_relu(inputs, outputs, kernel=1)
        self.weigh = conv_norm_relu(outputs, outputs, kernel=1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the fused map.

        Parameters
        ----------
        first, second : Tensor
            Maps of equal height and width, `inputs` channels together.

        Returns
        -------
        Tensor
            ``(B, outputs, H, W)``.
        """
        out: Tensor = self.join(torch.cat([first, second], dim=1))
        weights: Tensor = self.weigh(out.mean((2, 3), keepdim=True))
        return out + out * weights.sigmoid()


class _Encoder(nn.Module):
    """Spatial path, context path on a residual network, and fusion: 256 channels at 1/8."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Sequential(
            conv_norm_relu(3, 64, 2, kernel=7),
            conv_norm_relu(64, 64, 2),
            conv_norm_relu(64, 64, 2),
            conv_norm_relu(64, _DETAIL, kernel=1),
        )
        self.resnet = ResNet("resnet18")
        *_, sixteenth, deepest = self.resnet.channels
        self.context = ContextPath(sixteenth, deepest)
        self.fuse = FFM(_DETAIL + CONTEXT, 256)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the fused features, and the context at 1/8 and 1/16."""
        *_, sixteenth, deepest = self.resnet(x)
        at16, at8 = self.context(sixteenth, deepest)
        return self.fuse(self.spatial(x), at8), at8, at16


@register("bisenetv1", family="BiSeNet", paper=PAPER)
class BiSeNetV1(SegmentationNetwork):
    """BiSeNet: a shallow path for detail beside a residual network of 18 layers, logits at 1/8.

    As MMSegmentation has it: the detail path ends in a 1×1 convolution, the fusion's weights pass
    one convolution, batch norm and ReLU where the paper has two convolutions, and two auxiliary
    heads train the context path, with the weight 1 each (§3.3).  Gates average over the whole
    picture, so a tile's logits depend on all of the tile, and sizes that are no multiple of 32
    count the zeros that they are padded with.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    input_multiple = 32
    output_stride = 8
    auxiliary = ("head8", "head16")
    auxiliary_weight = 1.0

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = _Encoder()
        self.head = ClassHead(256, 256, classes)
        self.head8 = ClassHead(CONTEXT, 64, classes)
        self.head16 = ClassHead(CONTEXT, 64, classes)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.head(self.encoder(x)[0])
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, resized, then those of the context path at 1/8 and 1/16."""
        padded = self._pad(x)
        features, at8, at16 = self.encoder(padded)
        return (
            self._enlarge(self.head(features), padded, x),
            self._crop(self.head8(at8), x, 8),
            self._crop(self.head16(at16), x, 16),
        )

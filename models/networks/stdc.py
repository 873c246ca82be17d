"""STDC-Seg (Fan et al., CVPR 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.class_head import ClassHead
from wsiseg.models.layers.context_path import CONTEXT, ContextPath
from wsiseg.models.layers.convolutions import conv_norm_relu
from wsiseg.models.layers.stdc import STDC1, STDC2, STDCEncoder
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.networks.supervision import LogitsWithBoundaries
from wsiseg.models.registry import register

PAPER = "Fan et al., Rethinking BiSeNet For Real-time Semantic Segmentation, CVPR 2021"


WEIGHTS = (0.6, 0.3, 0.1)
"""Of the boundaries found at three strides."""


class FFM(nn.Module):
    """Feature fusion (BiSeNet, figure 2c): join two maps and weigh the channels that come out.

    Parameters
    ----------
    inputs, outputs : int
        Channels of both maps together, and out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.join = conv_norm_relu(inputs, outputs, kernel=1)
        self.squeeze = nn.Conv2d(outputs, outputs // 4, 1, bias=False)
        self.excite = nn.Conv2d(outputs // 4, outputs, 1, bias=False)

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
        weights: Tensor = self.excite(self.squeeze(out.mean((2, 3), keepdim=True)).relu())
        return out + out * weights.sigmoid()


class DetailHead(ClassHead):
    """A head with two channels, *no boundary* and *boundary* (section 3.2).

    The weights of the three strides count as learnable, as they do in the authors' code; as a
    threshold follows, they never get a gradient, there or here.

    Parameters
    ----------
    inputs, width : int
        Channels in, and between.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(inputs, width, 2)
        self.weights = nn.Parameter(torch.tensor(WEIGHTS).reshape(1, 3, 1, 1))


class _Encoder(nn.Module):
    """STDC network, context path and fusion: 256 channels at 1/8."""

    def __init__(self, depths: tuple[int, int, int]) -> None:
        super().__init__()
        self.backbone = STDCEncoder(depths)
        eighth, sixteenth, deepest = STDCEncoder.channels
        self.context = ContextPath(sixteenth, deepest)
        self.fuse = FFM(eighth + CONTEXT, 256)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the fused features, the context at 1/8 and 1/16, and the detail at 1/8."""
        detail, sixteenth, deepest = self.backbone(x)
        at16, at8 = self.context(sixteenth, deepest)
        return self.fuse(detail, at8), at8, at16, detail


class _STDC(SegmentationNetwork):
    """What STDC1 and STDC2 have in common."""

    input_multiple = 32
    output_stride = 8
    auxiliary = ("head8", "head16", "head_detail")
    auxiliary_weight = 1.0
    depths: tuple[int, int, int]

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = _Encoder(self.depths)
        self.head = ClassHead(256, 256, classes)
        self.head8 = ClassHead(CONTEXT, 64, classes)
        self.head16 = ClassHead(CONTEXT, 64, classes)
        self.head_detail = DetailHead(256, 64)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.head(self.encoder(x)[0])
        return logits

    def supervised(self, x: Tensor) -> LogitsWithBoundaries:
        """Return the logits, those of the context at 1/8 and 1/16, and beside them boundaries."""
        padded = self._pad(x)
        fused, at8, at16, detail = self.encoder(padded)
        logits = (
            self._enlarge(self.head(fused), padded, x),
            self._crop(self.head8(at8), x, 8),
            self._crop(self.head16(at16), x, 16),
        )
        boundaries = self._enlarge(self.head_detail(detail), padded, x)
        return LogitsWithBoundaries(logits, boundaries)


@register("stdc1", family="STDC", paper=PAPER)
class STDC1Seg(_STDC):
    """STDC1-Seg: BiSeNet without its spatial path, logits at 1/8.

    As MMSegmentation has it: the whole detail branch is the encoder's stage at 1/8, which learns
    boundaries by a head of its own (section 3.2).  That head has two channels, the authors' one.
    The context path averages over the whole picture, so a tile's logits depend on all of the
    tile, and sizes that are no multiple of 32 count the zeros that they are padded with.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    depths = STDC1


@register("stdc2", family="STDC", paper=PAPER)
class STDC2Seg(_STDC):
    """STDC2-Seg: as :class:`STDC1Seg`, with the deeper of the two encoders.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    depths = STDC2

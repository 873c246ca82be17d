"""PP-LiteSeg (Peng et al., 2022)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from wsiseg.models.layers.class_head import ClassHead
from wsiseg.models.layers.pp_liteseg import AttentionFusion, SimplePyramidPooling
from wsiseg.models.layers.stdc import STDC1, STDC2, STDCEncoder
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = "Peng et al., PP-LiteSeg: A Superior Real-Time Semantic Segmentation Model, 2022"

CONTEXT = 128
"""Channels of the pooled context."""

BACKBONES = {
    "stdc1": (STDC1, (32, 64, 128), (32, 64, 64)),
    "stdc2": (STDC2, (64, 96, 128), (64, 64, 64)),
}
"""Depths of the encoder, and channels of the decoder and of its heads at 1/8, 1/16 and 1/32."""


class _Decoder(nn.Module):
    """Fewer and fewer channels from 1/32 to 1/8 (FLD, section 3.1)."""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.context = SimplePyramidPooling(STDCEncoder.channels[-1], CONTEXT)
        deeper = (*widths[1:], CONTEXT)
        self.fusions = nn.ModuleList(
            AttentionFusion(shallow, deep, width)
            for shallow, deep, width in zip(STDCEncoder.channels, deeper, widths, strict=True)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return features at 1/8, 1/16 and 1/32 from those of the encoder."""
        deep, found = self.context(features[-1]), []
        for fuse, shallow in zip(reversed(self.fusions), reversed(features), strict=True):
            deep = fuse(shallow, deep)
            found.append(deep)
        return found[::-1]


@register("pp-liteseg", family="PP-LiteSeg", paper=PAPER)
class PPLiteSeg(SegmentationNetwork):
    """PP-LiteSeg: a light decoder that weighs pixels, on an encoder of STDC, logits at 1/8.

    The backbones make the two sizes that were published: ``stdc1`` PP-LiteSeg-T, ``stdc2``
    PP-LiteSeg-B, with the decoders of the authors' configurations.  Training compares the
    features at 1/16 and 1/32 with the labels as well, as their code does.  Unlike theirs, the
    1×1 convolutions of the pooling have no bias, which the batch norm after them takes out
    again, the classifiers have one, and dropout precedes these.  Pooling over the whole picture
    lets every logit depend on all of a tile, and sizes that are no multiple of 32 count the
    zeros that they are padded with.

    Parameters
    ----------
    classes : int
        1 to 255.
    backbone : {"stdc1", "stdc2"}
        The encoder.
    """

    input_multiple = 32
    output_stride = 8
    auxiliary = ("head16", "head32")
    auxiliary_weight = 1.0

    def __init__(self, classes: int, *, backbone: Literal["stdc1", "stdc2"] = "stdc1") -> None:
        super().__init__(classes)
        depths, widths, heads = BACKBONES[backbone]
        self.backbone = backbone
        self.encoder = nn.Sequential(STDCEncoder(depths), _Decoder(widths))
        self.head, self.head16, self.head32 = (
            ClassHead(width, inner, classes) for width, inner in zip(widths, heads, strict=True)
        )

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.head(self.encoder(x)[0])
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, then those of the decoder at 1/16 and 1/32."""
        padded = self._pad(x)
        at8, at16, at32 = self.encoder(padded)
        return (
            self._enlarge(self.head(at8), padded, x),
            self._crop(self.head16(at16), x, 16),
            self._crop(self.head32(at32), x, 32),
        )

"""PP-LiteSeg (Peng et al., 2022)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from wsiseg.models.layers.adaptive_pooling import adaptive_avg_pool
from wsiseg.models.layers.class_head import ClassHead
from wsiseg.models.layers.convolutions import conv_norm, conv_norm_relu
from wsiseg.models.layers.interpolation import resize
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


GRIDS = (1, 2, 4)
"""Regions along each axis."""


class SPPM(nn.Module):
    """Simple pyramid pooling: add up the averages over the regions of three grids (section 3.3).

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(conv_norm_relu(inputs, outputs, kernel=1) for _ in GRIDS)
        self.merge = conv_norm_relu(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        seen = [
            resize(branch(adaptive_avg_pool(x, (grid, grid))), x.shape[2:])
            for grid, branch in zip(GRIDS, self.branches, strict=True)
        ]
        out: Tensor = self.merge(seen[0] + seen[1] + seen[2])
        return out


class UAFM(nn.Module):
    """Unified attention fusion: mix two maps pixel by pixel, by spatial attention (section 3.2).

    Parameters
    ----------
    shallow, deep : int
        Channels of the encoder's map, and of the decoder's so far.
    outputs : int
        Channels out.
    """

    def __init__(self, shallow: int, deep: int, outputs: int) -> None:
        super().__init__()
        self.project = conv_norm_relu(shallow, deep)
        self.attend = nn.Sequential(conv_norm_relu(4, 2), conv_norm(2, 1))
        self.merge = conv_norm_relu(deep, outputs)

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """Return the two maps mixed, at the size of the encoder's.

        Parameters
        ----------
        shallow, deep : Tensor
            ``(B, shallow, H, W)`` of the encoder and ``(B, deep, h, w)`` of the decoder.

        Returns
        -------
        Tensor
            ``(B, outputs, H, W)``.
        """
        first = self.project(shallow)
        second = resize(deep, first.shape[2:])
        seen = [
            reduced
            for x in (first, second)
            for reduced in (x.mean(1, keepdim=True), x.amax(1, keepdim=True))
        ]
        share: Tensor = self.attend(torch.cat(seen, dim=1)).sigmoid()
        out: Tensor = self.merge(first * share + second * (1 - share))
        return out


class _Decoder(nn.Module):
    """Fewer and fewer channels from 1/32 to 1/8 (FLD, section 3.1)."""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.context = SPPM(STDCEncoder.channels[-1], CONTEXT)
        deeper = (*widths[1:], CONTEXT)
        self.fusions = nn.ModuleList(
            UAFM(shallow, deep, width)
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

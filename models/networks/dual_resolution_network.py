"""What networks with a detail branch at 1/8 and a semantic one to 1/64 have in common."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from wsiseg.models.layers.convolutions import PLAIN_EPSILON
from wsiseg.models.layers.dual_resolution import DualResolution
from wsiseg.models.layers.preactivated import PixelHead
from wsiseg.models.networks.network import SegmentationNetwork


class DualResolutionNetwork(SegmentationNetwork):
    """Two branches under one head, and in training a second head on the early detail features.

    Logits are at 1/8.  Context modules take a mean over the whole picture, so a tile's logits
    depend on all of the tile, and sizes that are no multiple of 8 count the zeros that they are
    padded with.  Beyond 1/8 sizes are rounded up after each stage, as in MMSegmentation.

    Parameters
    ----------
    classes : int
        1 to 255.
    encoder : DualResolution
        Everything before the heads.
    """

    input_multiple = 8
    output_stride = 8
    auxiliary = ("auxiliary_head",)

    width: ClassVar[int]
    """Channels of the first convolution."""
    head_width: ClassVar[int]
    """Channels between the convolutions of the heads."""

    def __init__(self, classes: int, encoder: DualResolution) -> None:
        super().__init__(classes)
        self.encoder = encoder
        self.auxiliary_head = PixelHead(2 * self.width, self.head_width, classes, PLAIN_EPSILON)
        self.head = PixelHead(4 * self.width, self.head_width, classes, PLAIN_EPSILON)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        features, _ = self.encoder(x)
        logits: Tensor = self.head(features)
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, and those of the auxiliary head, at the input's size."""
        padded = self._pad(x)
        features, early = self.encoder(padded)
        outputs = self.head(features), self.auxiliary_head(early)
        return tuple(self._enlarge(y, padded, x) for y in outputs)

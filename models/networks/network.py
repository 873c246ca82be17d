"""What every segmentation network has in common: any input size in, logits of that size out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST_CLASSES = 255
"""As masks have one byte, and 255 means *not analysed* there."""


class SegmentationNetwork(nn.Module, ABC):
    """A network that labels every pixel.

    A network implements :meth:`dense`, which may demand sizes that are multiples of
    `input_multiple` and may answer at a reduced resolution.  Padding to the multiple, the last
    resize and cropping back happen here, once for all networks.

    Parameters
    ----------
    classes : int
        Channels of the logits, 1 to 255 (255 is the mask value for *not analysed*).
    """

    input_multiple: int
    """Heights and widths that :meth:`dense` takes are multiples of this."""
    output_stride: int = 1
    """Input pixels per logit along an axis, in what :meth:`dense` returns."""
    aligned: bool = False
    """Whether the last resize aligns the corner pixels."""
    turnable: bool = True
    """Whether it may see pictures turned by 90°; if not, averaging over orientations takes the four
    that leave height and width as they are."""
    encoder: nn.Module
    """What fine-tuning may freeze: everything before the layers that depend on the classes."""
    shared_arguments: Mapping[str, int] = MappingProxyType({})
    """Arguments with which a network of other classes shares all layers but the last."""
    auxiliary: tuple[str, ...] = ()
    """Names of the modules that only :meth:`supervised` needs; inference goes without."""
    auxiliary_weight: float = 0.4
    """What each of the other logits of :meth:`supervised` weighs in training, the main ones 1."""
    encoder_architecture: str | None = None
    """The architecture that recipes in two stages train first, sharing `encoder`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        if not 1 <= classes <= MOST_CLASSES:
            msg = f"classes must be 1 to {MOST_CLASSES}, got {classes}"
            raise ValueError(msg)
        self.classes = classes

    @abstractmethod
    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)``, H and W fitting, to ``(B, classes, H / s, W / s)`` logits."""

    def coarse(self, x: Tensor) -> Tensor:
        """Return the logits before the last resize.

        Parameters
        ----------
        x : Tensor
            Normalised pixels, float32 ``(B, 3, H, W)`` of any size.

        Returns
        -------
        Tensor
            ``(B, classes, ceil(H / s), ceil(W / s))`` with ``s`` the output stride.
        """
        return self._crop(self.dense(self._pad(x)), x, self.output_stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits at the input's size.

        Parameters
        ----------
        x : Tensor
            Normalised pixels, float32 ``(B, 3, H, W)`` of any size; padded with zeros at the
            bottom and right to the next multiple, and the logits cropped back.

        Returns
        -------
        Tensor
            ``(B, classes, H, W)``.
        """
        padded = self._pad(x)
        return self._enlarge(self.dense(padded), padded, x)

    def all_outputs(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return all outputs for a picture, the logits of its labels first.

        Parameters
        ----------
        x : Tensor
            Normalised pixels, float32 ``(B, 3, H, W)`` of any size.

        Returns
        -------
        tuple of Tensor
            ``(B, classes, H, W)``, and what else the network gives.
        """
        return (self(x),)

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits that training compares with the labels, the main ones first.

        Parameters
        ----------
        x : Tensor
            Normalised pixels, float32 ``(B, 3, H, W)`` of any size.

        Returns
        -------
        tuple of Tensor
            ``(B, classes, h, w)`` each; one that is smaller than the labels is compared with
            reduced labels.  A network with auxiliary heads adds theirs.
        """
        return (self(x),)

    def _pad(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        below, right = -height % self.input_multiple, -width % self.input_multiple
        # A traced graph always pads, so that it does not depend on the size that it was traced at.
        traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if traced or below or right:
            return F.pad(x, (0, right, 0, below))
        return x

    def _enlarge(self, logits: Tensor, padded: Tensor, x: Tensor) -> Tensor:
        """Resize the logits of a padded picture to it, and crop them to the picture's size."""
        if self.output_stride > 1:
            logits = F.interpolate(
                logits, size=padded.shape[-2:], mode="bilinear", align_corners=self.aligned
            )
        return self._crop(logits, x, 1)

    @staticmethod
    def _crop(logits: Tensor, x: Tensor, stride: int) -> Tensor:
        """Return the part of a padded picture's logits, one per `stride`, that `x` reaches."""
        height, width = x.shape[-2:]
        return logits[..., : -(-height // stride), : -(-width // stride)]

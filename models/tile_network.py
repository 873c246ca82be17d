"""A network with its pixels' way in and labels' way out inside one graph."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import Normalisation

Output = Literal["labels", "probabilities"]

NO_LABEL = 255
"""What a pixel gets whose logits are not numbers; a mask calls it *not analysed*."""


class TileNetwork(nn.Module):
    """uint8 tiles in, uint8 labels or probabilities out.

    Normalisation, channel order, network, argmax or softmax and the cast to uint8 form the one
    graph that a runtime compiles, so that nothing wider than a byte crosses its border.

    Parameters
    ----------
    network : SegmentationNetwork
        In evaluation mode.
    normalisation : Normalisation
        What the network was trained on.
    outputs : tuple of {"labels", "probabilities"}
        What :meth:`forward` gives, in that order.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        network: SegmentationNetwork,
        normalisation: Normalisation,
        outputs: tuple[Output, ...] = ("labels",),
    ) -> None:
        super().__init__()
        self.network = network
        self.outputs = outputs
        self.channels = [2, 1, 0] if normalisation.order == "BGR" else [0, 1, 2]
        scale, shift = normalisation.folded()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.network.classes

    def forward(self, tiles: Tensor) -> tuple[Tensor, ...]:
        """Segment a batch.

        Parameters
        ----------
        tiles : Tensor
            uint8 ``(B, H, W, 3)``, RGB.

        Returns
        -------
        tuple of Tensor
            For each of `outputs`: labels ``(B, H, W)`` or probabilities ``(B, classes, H, W)``
            with 255 for 1.0, both uint8.
        """
        ordered = tiles[..., self.channels].permute(0, 3, 1, 2)
        logits = self.network(ordered.to(self.scale.dtype) * self.scale + self.shift)
        return tuple(
            _first_largest(logits) if output == "labels" else _as_bytes(logits.softmax(dim=1))
            for output in self.outputs
        )


def _first_largest(logits: Tensor) -> Tensor:
    """Return the index of the largest logit, the first where several are; 255 for NaN.

    As two reductions it is seven times as fast as ``argmax`` in PyTorch on a CPU, and saves 5 % of
    the whole network in OpenVINO.
    """
    largest = logits.amax(dim=1, keepdim=True)
    index = torch.arange(logits.shape[1], dtype=logits.dtype, device=logits.device)
    candidates = torch.where(logits >= largest, index.reshape(1, -1, 1, 1), NO_LABEL)
    return candidates.amin(dim=1).to(torch.uint8)


def _as_bytes(probabilities: Tensor) -> Tensor:
    return (probabilities * 255.0).round().to(torch.uint8)

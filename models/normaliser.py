"""The normalisation of pixels as a module of a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.normalisation import Normalisation


class Normaliser(nn.Module):
    """A normalisation as a module of a network: one product and one sum.

    It differs from :meth:`Normalisation.apply` by rounding only.

    Parameters
    ----------
    normalisation : Normalisation
        The one that the network was trained with.
    """

    scale: Tensor
    shift: Tensor
    order: Tensor | None

    def __init__(self, normalisation: Normalisation) -> None:
        super().__init__()
        # A buffer, as a list would go to the device anew for every batch.
        order = torch.tensor([2, 1, 0]) if normalisation.order == "BGR" else None
        self.register_buffer("order", order, persistent=False)
        scale, shift = normalisation.folded()
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise a batch of pixels.

        Parameters
        ----------
        pixels : Tensor
            uint8 ``(B, H, W, 3)``, RGB.

        Returns
        -------
        Tensor
            ``(B, 3, H, W)``, float32 unless the module was moved to another type.
        """
        ordered = pixels if self.order is None else pixels.index_select(3, self.order)
        return ordered.permute(0, 3, 1, 2).to(self.scale.dtype) * self.scale + self.shift

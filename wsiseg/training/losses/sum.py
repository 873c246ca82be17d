"""Losses added up."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Sum(nn.Module):
    """Several losses added up.

    Parameters
    ----------
    *losses : Module
        Of logits and labels.
    """

    def __init__(self, *losses: nn.Module) -> None:
        super().__init__()
        self.losses = nn.ModuleList(losses)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch; see :meth:`.CrossEntropy.forward`."""
        return torch.stack([loss(logits, labels) for loss in self.losses]).sum()

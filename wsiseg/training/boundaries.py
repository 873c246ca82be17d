"""Learning where labels change, for networks with a head for it (PIDNet paper, section 4.4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.training.annotations.labels import IGNORED

SURE = 0.8
"""Probability of a boundary from which on it counts as one."""


def find_boundaries(labels: Tensor) -> Tensor:
    """Return where labels change, four pixels wide.

    What is ignored has no boundary.

    Parameters
    ----------
    labels : Tensor
        int64 ``(B, H, W)``.

    Returns
    -------
    Tensor
        bool ``(B, H, W)``.
    """
    found = torch.zeros_like(labels, dtype=torch.bool)
    for axis in (1, 2):
        length = labels.shape[axis] - 1
        first, second = labels.narrow(axis, 0, length), labels.narrow(axis, 1, length)
        change = (first != second) & (first != IGNORED) & (second != IGNORED)
        for start in (0, 1):
            found.narrow(axis, start, length).logical_or_(change)
    wide = F.max_pool2d(found.unsqueeze(1).float(), 3, stride=1, padding=1).squeeze(1) > 0
    return wide & (labels != IGNORED)


def keep_boundaries(labels: Tensor, boundaries: Tensor) -> Tensor:
    """Return labels that are ignored wherever the network is not sure of a boundary."""
    sure = boundaries.detach().squeeze(1).sigmoid() > SURE
    return torch.where(sure, labels, torch.full_like(labels, IGNORED))


class BoundaryLoss(nn.Module):
    """Binary cross-entropy in which boundaries, and what is none, weigh the same together."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return a scalar for logits ``(B, 1, H, W)`` and int64 labels ``(B, H, W)``."""
        valid = labels != IGNORED
        if not valid.any():
            return logits.sum() * 0
        wanted = find_boundaries(labels)[valid].float()
        share = wanted.mean()
        weights = torch.where(wanted > 0, 1 - share, share)
        return F.binary_cross_entropy_with_logits(logits.squeeze(1)[valid], wanted, weights)

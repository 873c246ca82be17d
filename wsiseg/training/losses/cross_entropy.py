"""Cross-entropy, weighted by class."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.annotations.labels import IGNORED


class CrossEntropy(nn.Module):
    """Weighted mean of the cross-entropy over all pixels that are not ignored.

    Parameters
    ----------
    weights : Tensor, optional
        ``(classes,)``.
    """

    def __init__(self, weights: Tensor | None = None) -> None:
        super().__init__()
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return a scalar for logits ``(B, C, H, W)`` and int64 labels ``(B, H, W)``."""
        losses = F.cross_entropy(
            logits, labels, self.weights, ignore_index=IGNORED, reduction="sum"
        )
        return losses / _total_weight(labels, self.weights)


def _total_weight(labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return what the losses of a batch are divided by; never 0, also where all is ignored."""
    valid = labels[labels != IGNORED]
    total = valid.numel() if weights is None else weights[valid].sum()
    return torch.as_tensor(total, dtype=torch.float32, device=labels.device).clamp(min=1e-6)

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

    Examples
    --------
    >>> logits = torch.zeros(1, 2, 4, 4)
    >>> labels = torch.full((1, 4, 4), IGNORED)
    >>> labels[:, :2] = 1
    >>> round(CrossEntropy()(logits, labels).item(), 4)
    0.6931
    """

    def __init__(self, weights: Tensor | None = None) -> None:
        super().__init__()
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        logits : Tensor
            Float ``(B, C, H, W)``.
        labels : Tensor
            int64 ``(B, H, W)``: class indices, or 255 where ignored.

        Returns
        -------
        Tensor
            The loss, a scalar; 0 where every label is ignored.
        """
        losses = F.cross_entropy(
            logits, labels, self.weights, ignore_index=IGNORED, reduction="sum"
        )
        return losses / _total_weight(labels, self.weights)


def _total_weight(labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return what the losses of a batch are divided by; never 0, also where all is ignored."""
    valid = labels[labels != IGNORED]
    total = valid.numel() if weights is None else weights[valid].sum()
    return torch.as_tensor(total, dtype=torch.float32, device=labels.device).clamp(min=1e-6)

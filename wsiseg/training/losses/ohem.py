"""Online hard example mining: only the hardest pixels count."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.annotations.labels import IGNORED


class OhemCrossEntropy(nn.Module):
    """Cross-entropy over the hardest pixels only (OHEM; Shrivastava et al., CVPR 2016).

    Parameters
    ----------
    weights : Tensor, optional
        ``(classes,)``.
    threshold : float
        Pixels whose own class has at least this probability are easy.
    min_kept : int
        At least so many pixels of a batch count, easy or not.

    Examples
    --------
    Of four pixels, one of which is wrong, the hardest alone counts:

    >>> labels = torch.tensor([[[0, 0, 1, 1]]])
    >>> predicted = torch.tensor([[[0, 0, 1, 0]]])
    >>> logits = 20.0 * torch.nn.functional.one_hot(predicted, 2).movedim(-1, 1)
    >>> round(OhemCrossEntropy(min_kept=1)(logits, labels).item(), 4)
    20.0
    """

    def __init__(
        self, weights: Tensor | None = None, threshold: float = 0.9, min_kept: int = 131_072
    ) -> None:
        super().__init__()
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)
        self.threshold = threshold
        self.min_kept = min_kept

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch; see :meth:`.CrossEntropy.forward`."""
        valid = labels != IGNORED
        losses = F.cross_entropy(
            logits, labels, self.weights, ignore_index=IGNORED, reduction="none"
        )[valid]
        if not losses.numel():
            return logits.sum() * 0
        with torch.no_grad():
            own = labels.clamp(max=logits.shape[1] - 1).unsqueeze(1)
            confidence = logits.softmax(1).gather(1, own).squeeze(1)[valid]
            kept = min(max(1, self.min_kept), confidence.numel())
            hard = confidence < self.threshold
            hard |= confidence <= confidence.kthvalue(kept).values
        return losses[hard].mean()

"""What training makes small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.annotations.labels import IGNORED


def inverse_log_weights(pixels: npt.NDArray[np.float64], constant: float = 1.10) -> Tensor:
    """Return ``1 / ln(constant + p)`` for each class of probability p.

    The weighting of ENet (Paszke et al., 2016, §5.2, constant 1.02), taken over by ESPNet (1.10)
    and ERFNet (1.2).  Ignored pixels have no part in p.

    Parameters
    ----------
    pixels : ndarray
        ``(classes,)``: pixels of each class.
    constant : float
        Above 1; bounds the weight of the rarest class.

    Returns
    -------
    Tensor
        float32 ``(classes,)``.
    """
    share = pixels / pixels.sum()
    return torch.from_numpy(1 / np.log(constant + share)).float()


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


class HardPixels(nn.Module):
    """Cross-entropy over the hardest pixels only (OHEM; Shrivastava et al., CVPR 2016).

    Parameters
    ----------
    weights : Tensor, optional
        ``(classes,)``.
    threshold : float
        Pixels whose own class has at least this probability are easy.
    kept : int
        At least so many pixels of a batch count, easy or not.
    """

    def __init__(
        self, weights: Tensor | None = None, threshold: float = 0.9, kept: int = 131_072
    ) -> None:
        super().__init__()
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)
        self.threshold = threshold
        self.kept = kept

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return a scalar for logits ``(B, C, H, W)`` and int64 labels ``(B, H, W)``."""
        valid = labels != IGNORED
        losses = F.cross_entropy(
            logits, labels, self.weights, ignore_index=IGNORED, reduction="none"
        )[valid]
        if not losses.numel():
            return logits.sum() * 0
        with torch.no_grad():
            own = labels.clamp(max=logits.shape[1] - 1).unsqueeze(1)
            confidence = logits.softmax(1).gather(1, own).squeeze(1)[valid]
            kept = min(max(1, self.kept), confidence.numel())
            hard = confidence < self.threshold
            hard |= confidence <= confidence.kthvalue(kept).values
        return losses[hard].mean()


class Dice(nn.Module):
    """One minus the soft Dice coefficient, mean over the classes that a batch holds.

    Milletari et al., 3DV 2016, with softmax probabilities, over all pixels of a batch at once.
    """

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return a scalar for logits ``(B, C, H, W)`` and int64 labels ``(B, H, W)``."""
        classes, width = logits.shape[1], labels.shape[2]
        valid = labels != IGNORED
        if not valid.any():
            return logits.sum() * 0
        probabilities = logits.softmax(1) * valid.unsqueeze(1)
        label = labels.clamp(max=classes - 1)
        own = probabilities.gather(1, label.unsqueeze(1)).reshape(-1, width)
        # Row by row, as one sum over millions of pixels would lose digits.
        shared = own.new_zeros(len(own), classes).scatter_add(1, label.reshape(-1, width), own)
        pixels = torch.bincount(labels[valid], minlength=classes)
        total = probabilities.sum((0, 2, 3)) + pixels
        held = pixels > 0
        return (1 - 2 * shared.sum(0)[held] / total[held]).mean()


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
        """Return a scalar for logits ``(B, C, H, W)`` and int64 labels ``(B, H, W)``."""
        return torch.stack([loss(logits, labels) for loss in self.losses]).sum()


def _total_weight(labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return what the losses of a batch are divided by; never 0, also where all is ignored."""
    valid = labels[labels != IGNORED]
    total = valid.numel() if weights is None else weights[valid].sum()
    return torch.as_tensor(total, dtype=torch.float32, device=labels.device).clamp(min=1e-6)


LOSSES: dict[str, Callable[[Tensor], nn.Module]] = {
    "cross-entropy": CrossEntropy,
    "cross-entropy+dice": lambda weights: Sum(CrossEntropy(weights), Dice()),
    "dice": lambda _: Dice(),
    "ohem": HardPixels,
}
"""Losses by the names that ``--loss`` takes, from the weights of the classes."""

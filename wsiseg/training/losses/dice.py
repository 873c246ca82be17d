"""The soft Dice loss, alone and with cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.annotations.labels import IGNORED
from wsiseg.training.losses.cross_entropy import CrossEntropy
from wsiseg.training.losses.sum import Sum


class Dice(nn.Module):
    """One minus the soft Dice coefficient, mean over the classes that a batch holds.

    Milletari et al., 3DV 2016, with softmax probabilities, over all pixels of a batch at once.

    Examples
    --------
    >>> labels = torch.tensor([[[0, 0, 1, 1]]])
    >>> logits = 20.0 * torch.nn.functional.one_hot(labels, 2).movedim(-1, 1)
    >>> round(Dice()(logits, labels).item(), 4)
    0.0
    """

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch; see :meth:`.CrossEntropy.forward`."""
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


def dice(_: Tensor) -> Dice:
    """Return the Dice loss, which classes of all sizes share alike."""
    return Dice()


def cross_entropy_and_dice(weights: Tensor) -> Sum:
    """Return the sum of weighted cross-entropy and Dice."""
    return Sum(CrossEntropy(weights), Dice())

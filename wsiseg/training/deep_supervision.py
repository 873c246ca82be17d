"""Deep supervision: the loss over main, auxiliary and boundary outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.annotations.labels import IGNORED
from wsiseg.models.networks.supervision import LogitsWithBoundaries
from wsiseg.training.boundaries import find_boundaries, find_detail, keep_boundaries
from wsiseg.training.losses.cross_entropy import CrossEntropy
from wsiseg.training.losses.dice import Dice
from wsiseg.training.losses.sum import Sum

BOUNDARY_FACTOR = 20.0
"""Weight of the boundaries beside the classes, as in PIDNet's paper."""


class DeepSupervision(nn.Module):
    """A loss on each of several outputs, against labels reduced to that output's size.

    Labels are reduced by the nearest, as means of indices would invent classes.  Where a network
    has a boundary head, that is trained too: in one channel as in PIDNet's paper (section
    4.4), near them the main output once more, and in two channels as in STDC-Seg's (section 3.2),
    by cross-entropy and Dice.

    Parameters
    ----------
    loss : Module
        Of logits and labels.
    auxiliary_weight : float
        Of each output but the main one, which comes first and weighs 1.
    """

    def __init__(self, loss: nn.Module, auxiliary_weight: float) -> None:
        super().__init__()
        self.loss = loss
        self.auxiliary_weight = auxiliary_weight
        self.boundary_loss = BoundaryLoss()
        self.detail_loss = Sum(CrossEntropy(), Dice())

    def forward(self, outputs: Sequence[Tensor], labels: Tensor) -> Tensor:
        """Return the loss over all outputs.

        Parameters
        ----------
        outputs : sequence of Tensor
            Logits ``(B, C, h, w)`` of any sizes, the main output first.
        labels : Tensor
            int64 ``(B, H, W)``.

        Returns
        -------
        Tensor
            The loss, a scalar.
        """
        losses = [self.loss(logits, shrink_labels(labels, logits.shape[-2:])) for logits in outputs]
        losses[1:] = [self.auxiliary_weight * loss for loss in losses[1:]]
        if isinstance(outputs, LogitsWithBoundaries):
            losses += self._compare_boundaries(outputs, labels)
        return torch.stack(losses).sum()

    def _compare_boundaries(self, outputs: LogitsWithBoundaries, labels: Tensor) -> list[Tensor]:
        if outputs.boundaries.shape[1] == 2:
            return [self.detail_loss(outputs.boundaries, find_detail(labels))]
        near = keep_boundaries(labels, outputs.boundaries)
        return [
            BOUNDARY_FACTOR * self.boundary_loss(outputs.boundaries, labels),
            self.loss(outputs[0], near),
        ]


def shrink_labels(labels: Tensor, shape: Sequence[int]) -> Tensor:
    """Take every n-th label, so that a smaller output is compared with its own pixels' centres.

    Parameters
    ----------
    labels : Tensor
        int64 ``(B, H, W)``.
    shape : sequence of int
        ``(height, width)`` wanted.

    Returns
    -------
    Tensor
        int64 ``(B, height, width)``.
    """
    if tuple(labels.shape[-2:]) == tuple(shape):
        return labels
    resized = F.interpolate(labels.unsqueeze(1).float(), size=tuple(shape), mode="nearest-exact")
    return resized.squeeze(1).long()


class BoundaryLoss(nn.Module):
    """Binary cross-entropy in which boundaries, and what is none, weigh the same together."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of boundary logits.

        Parameters
        ----------
        logits : Tensor
            ``(B, 1, H, W)``: of being a boundary.
        labels : Tensor
            int64 ``(B, H, W)``: classes, not boundaries.

        Returns
        -------
        Tensor
            The loss, a scalar.
        """
        valid = labels != IGNORED
        if not valid.any():
            return logits.sum() * 0
        wanted = find_boundaries(labels)[valid].float()
        share = wanted.mean()
        weights = torch.where(wanted > 0, 1 - share, share)
        return F.binary_cross_entropy_with_logits(logits.squeeze(1)[valid], wanted, weights)

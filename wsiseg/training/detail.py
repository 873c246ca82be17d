"""Learning boundaries beside the classes, for networks with a head for detail (STDC-Seg)."""

from __future__ import annotations

from torch import Tensor, nn

from wsiseg.models.layers.detail_guidance import WithDetail
from wsiseg.training.annotations.labels import IGNORED
from wsiseg.training.losses import CrossEntropy, Dice, Sum


class DetailLoss(nn.Module):
    """Cross-entropy plus Dice of boundaries (STDC-Seg paper, section 3.2)."""

    def __init__(self) -> None:
        super().__init__()
        self.loss = Sum(CrossEntropy(), Dice())

    def forward(self, outputs: WithDetail, labels: Tensor) -> Tensor:
        """Return a scalar for what a network supervises and int64 labels ``(B, H, W)``."""
        loss: Tensor = self.loss(outputs.detail, outputs.draw(labels, IGNORED))
        return loss

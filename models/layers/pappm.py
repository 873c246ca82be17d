"""PAPPM, the parallel aggregation pyramid (PIDNet paper, section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.dappm import AggregationPyramid
from wsiseg.models.layers.preactivated import NormActConv


class PAPPM(AggregationPyramid):
    """The parallel aggregation pyramid: all scales at once, in the groups of one convolution.

    Parameters
    ----------
    inputs, width, outputs : int
        Channels in, of each scale, and out: ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, inputs: int, width: int, outputs: int, epsilon: float) -> None:
        super().__init__(inputs, width, outputs, epsilon)
        self.process = self._make_process(width, len(self.scales) - 1, epsilon)

    @staticmethod
    def _make_process(width: int, groups: int, epsilon: float) -> nn.Module:
        channels = width * groups
        return NormActConv(channels, channels, kernel=3, groups=groups, epsilon=epsilon)

    def aggregate(self, finest: Tensor, pooled: list[Tensor]) -> list[Tensor]:
        """Add the finest map to every other one, and convolve all of them in groups.

        See :meth:`AggregationPyramid.aggregate`.
        """
        return [self.process(torch.cat([coarse + finest for coarse in pooled], dim=1))]

"""DAPPM, the deep aggregation pyramid (DDRNet paper, section III-C), and what others share with it.

PAPPM (:mod:`wsiseg.models.layers.pappm`) and RDRNet's RPPM see a map at the same scales, and merge
what they see in other ways.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.preactivated import NormActConv

WINDOWS = ((5, 2), (9, 4), (17, 8))
"""Edges and strides of the average pooling; the fourth scale is the mean of the whole map."""


class GlobalMean(nn.Module):
    """The mean of a map."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, channels, 1, 1)``."""
        return x.mean((2, 3), keepdim=True)


class AggregationPyramid(nn.Module, ABC):
    """What DAPPM, PAPPM and RPPM have in common: five scales, a projection and a shortcut.

    The scales are the map itself, three average poolings of it, and its mean.

    Parameters
    ----------
    inputs, width, outputs : int
        Channels in, of each scale, and out.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, inputs: int, width: int, outputs: int, epsilon: float) -> None:
        super().__init__()
        pools = [nn.AvgPool2d(edge, stride, edge // 2) for edge, stride in WINDOWS]
        self.scales = nn.ModuleList(
            nn.Sequential(pool, NormActConv(inputs, width, epsilon=epsilon))
            for pool in (nn.Identity(), *pools, GlobalMean())
        )
        self.compress = NormActConv(len(self.scales) * width, outputs, epsilon=epsilon)
        self.shortcut = NormActConv(inputs, outputs, epsilon=epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        finest, *pooled = [scale(x) for scale in self.scales]
        seen = [
            F.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)
            for small in pooled
        ]
        merged = self.compress(torch.cat([finest, *self.aggregate(finest, seen)], dim=1))
        out: Tensor = merged + self.shortcut(x)
        return out

    @abstractmethod
    def aggregate(self, finest: Tensor, pooled: list[Tensor]) -> list[Tensor]:
        """Merge the maps of the pooled scales with the finest one.

        Parameters
        ----------
        finest : Tensor
            ``(B, width, H, W)``: the map itself.
        pooled : list of Tensor
            As large each: the pooled scales, enlarged, from fine to coarse.

        Returns
        -------
        list of Tensor
            Maps to concatenate with the finest.
        """


class DAPPM(AggregationPyramid):
    """The deep aggregation pyramid: one scale after the other, each with what the finer one gave.

    Parameters
    ----------
    inputs, width, outputs : int
        Channels in, of each scale, and out: ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, inputs: int, width: int, outputs: int, epsilon: float) -> None:
        super().__init__(inputs, width, outputs, epsilon)
        self.processes = nn.ModuleList(
            NormActConv(width, width, kernel=3, epsilon=epsilon) for _ in self.scales[1:]
        )

    def aggregate(self, finest: Tensor, pooled: list[Tensor]) -> list[Tensor]:
        """Add each map to what the one before became, and convolve.

        See :meth:`AggregationPyramid.aggregate`.
        """
        merged = [finest]
        for process, coarse in zip(self.processes, pooled, strict=True):
            merged.append(process(coarse + merged[-1]))
        return merged[1:]

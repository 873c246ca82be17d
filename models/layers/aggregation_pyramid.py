"""Pooling pyramids of networks with two resolutions: DAPPM, PAPPM, RPPM, and PSPNet's.

Each one pools a small map at several scales, and merges what is seen there with the map itself:

DAPPM
    One scale after the other, each with what the finer one gave (DDRNet paper, section III-C).
PAPPM
    All scales at once, in the groups of one convolution (PIDNet paper, section 4.2).
RPPM
    As PAPPM, with two convolutions in training that become one (RDRNet paper, section 3.3).
PPM
    PSPNet's, which pools to grids of fixed sizes (Zhao et al., CVPR 2017, section 3.2).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.elementary import BatchNorm, ConvNorm, relu
from wsiseg.models.layers.preactivated import NormActConv
from wsiseg.models.layers.region_pooling import RegionPooling
from wsiseg.models.layers.reparameterised import ParallelConvolutions

WINDOWS = ((5, 2), (9, 4), (17, 8))
"""Edges and strides of the average pooling; the fourth scale is the mean of the whole map."""


class GlobalMean(nn.Module):
    """The mean of a map."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, channels, 1, 1)``."""
        return x.mean((2, 3), keepdim=True)


class AggregationPyramid(nn.Module, ABC):
    """What DAPPM, PAPPM and RPPM have in common: five scales, a projection and a shortcut.

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
    def aggregate(self, finest: Tensor, seen: list[Tensor]) -> list[Tensor]:
        """Merge the maps of the pooled scales, from fine to coarse, with the finest one."""


class DAPPM(AggregationPyramid):
    """The deep aggregation pyramid; parameters as those of :class:`AggregationPyramid`."""

    def __init__(self, inputs: int, width: int, outputs: int, epsilon: float) -> None:
        super().__init__(inputs, width, outputs, epsilon)
        self.processes = nn.ModuleList(
            NormActConv(width, width, kernel=3, epsilon=epsilon) for _ in self.scales[1:]
        )

    def aggregate(self, finest: Tensor, seen: list[Tensor]) -> list[Tensor]:
        """Add each map to what the one before became, and convolve."""
        merged = [finest]
        for process, coarse in zip(self.processes, seen, strict=True):
            merged.append(process(coarse + merged[-1]))
        return merged[1:]


class PAPPM(AggregationPyramid):
    """The parallel aggregation pyramid; parameters as those of :class:`AggregationPyramid`."""

    def __init__(self, inputs: int, width: int, outputs: int, epsilon: float) -> None:
        super().__init__(inputs, width, outputs, epsilon)
        self.process = self._make_process(width, len(self.scales) - 1, epsilon)

    @staticmethod
    def _make_process(width: int, groups: int, epsilon: float) -> nn.Module:
        channels = width * groups
        return NormActConv(channels, channels, kernel=3, groups=groups, epsilon=epsilon)

    def aggregate(self, finest: Tensor, seen: list[Tensor]) -> list[Tensor]:
        """Add the finest map to every other one, and convolve all of them in groups."""
        return [self.process(torch.cat([coarse + finest for coarse in seen], dim=1))]


class RPPM(PAPPM):
    """The reparameterisable pyramid; parameters as those of :class:`AggregationPyramid`."""

    @staticmethod
    def _make_process(width: int, groups: int, epsilon: float) -> nn.Module:
        channels = width * groups
        return nn.Sequential(
            BatchNorm(channels, eps=epsilon),
            relu(channels),
            ParallelConvolutions(channels, groups, epsilon),
        )


class PPM(nn.Sequential):
    """PSPNet's pyramid: means over grids, enlarged and concatenated with the map.

    Parameters
    ----------
    inputs, width, outputs : int
        Channels in, of each grid, and out.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, inputs: int, width: int, outputs: int, epsilon: float) -> None:
        pyramid = RegionPooling(inputs, width, epsilon=epsilon)
        joined = inputs + len(pyramid.grids) * width
        super().__init__(pyramid, ConvNorm(joined, outputs, kernel=1, epsilon=epsilon))

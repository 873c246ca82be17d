"""PPM, the pyramid pooling module of PSPNet (Zhao et al., CVPR 2017, §3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wsiseg.models.layers.adaptive_pooling import adaptive_avg_pool
from wsiseg.models.layers.convolutions import PLAIN_EPSILON, ConvNormAct, relu
from wsiseg.models.layers.interpolation import resize


class PPM(nn.Module):
    """Average over the regions of coarser and coarser grids, beside the map itself.

    Parameters
    ----------
    channels : int
        Channels in.
    width : int
        Channels of each grid.
    grids : sequence of int
        Regions along each axis.
    epsilon : float
        Of the batch norms.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        grids: Sequence[int] = (1, 2, 3, 6),
        *,
        epsilon: float = PLAIN_EPSILON,
    ) -> None:
        super().__init__()
        self.grids = tuple(grids)
        self.branches = nn.ModuleList(
            ConvNormAct(channels, width, kernel=1, activation=relu, epsilon=epsilon) for _ in grids
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to as large a map that has those of every grid as well."""
        seen = [x]
        for grid, branch in zip(self.grids, self.branches, strict=True):
            pooled = branch(adaptive_avg_pool(x, (grid, grid)))
            seen.append(resize(pooled, x.shape[2:]))
        return torch.cat(seen, dim=1)

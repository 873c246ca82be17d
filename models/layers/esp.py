"""The efficient spatial pyramid of dilated convolutions (ESPNet paper, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypedDict, Unpack

import torch
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import LARGE_EPSILON, NormAct

BRANCHES = 5
"""K, the parallel branches that the paper settles on; branch k has dilation 2 to the k."""

Fusion = Literal["authors", "paper", "off"]
"""Where the sums of hierarchical feature fusion start."""


class PyramidSettings(TypedDict, total=False):
    """What :class:`ESP` takes by name besides its stride."""

    branches: int
    kernel: int
    hff: Fusion
    residual: bool
    activation: Callable[[int], nn.Module]
    epsilon: float


class ESP(nn.Module):
    """Reduce, split, transform, merge: one pyramid of dilated 3×3 convolutions.

    The input is reduced to ``outputs // branches`` channels, the branches look at it with growing
    dilation (1, 2, 4, …), and hierarchical feature fusion adds each branch to the sum of the
    wider ones before it, which removes the gridding of dilated convolutions.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out; of `outputs` at least as many as there are branches.  What a division
        leaves over goes to the branch of dilation 1.
    stride : int
        1, or 2 for a reduction by a 3×3 convolution of stride 2.
    branches : int
        K, how many there are.
    kernel : int
        Edge of the reduction where the stride is 1.
    hff : {"authors", "paper", "off"}
        Where the sums start: at dilation 2 as in the authors' code, at dilation 1 as the paper's
        figure draws it (if that branch is wider, with as many of its channels as the others have),
        or nowhere, so that the branches are concatenated as they are.
    residual : bool
        Add the input before the last normalisation; wants ``inputs == outputs`` and stride 1.
    activation : callable
        Makes the last activation for a number of channels.
    epsilon : float
        Of the batch norm.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int = 1, **settings: Unpack[PyramidSettings]
    ) -> None:
        super().__init__()
        branches = settings.get("branches", BRANCHES)
        width = outputs // branches
        first = outputs - width * (branches - 1)
        kernel = settings.get("kernel", 1) if stride == 1 else 3
        self.hff = settings.get("hff", "authors")
        self.residual = settings.get("residual", True)
        self.reduce = nn.Conv2d(
            inputs, width, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.branches = nn.ModuleList(
            nn.Conv2d(width, width if k else first, 3, padding=2**k, dilation=2**k, bias=False)
            for k in range(branches)
        )
        self.fuse = NormAct(
            outputs,
            epsilon=settings.get("epsilon", LARGE_EPSILON),
            activation=settings.get("activation", nn.PReLU),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        reduced = self.reduce(x)
        merged = self._merge([branch(reduced) for branch in self.branches])
        out: Tensor = self.fuse(x + merged if self.residual else merged)
        return out

    def _merge(self, branches: list[Tensor]) -> Tensor:
        """Add up as far as asked for, and concatenate."""
        first, *others = branches
        sums: list[Tensor] = []
        total = first[:, : others[0].shape[1]] if self.hff == "paper" and others else None
        for branch in others:
            total = branch if total is None or self.hff == "off" else total + branch
            sums.append(total)
        return torch.cat([first, *sums], dim=1)

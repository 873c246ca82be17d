"""The efficient pyramid pool of EdgeNets' decoder: one depth-wise convolution per scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.adaptive_pooling import average_regions
from wsiseg.models.layers.elementary import PLAIN_EPSILON, ConvNormAct, NormAct

SCALES = ((2, 1), (3, 2), (1, 1), (1, 2), (1, 10))
"""Sizes at which the branches work, as fractions of the map's, the largest first."""

SMALLEST = 5
"""Pixels along an axis that a branch has at least."""


class EfficientPyramid(nn.Module):
    """Look at a map at five scales, shuffle the channels of all of them, and merge.

    Enlarged maps are pooled back adaptively, as in the authors' code.  Where the map's edges are
    known to be even, the windows repeat themselves and plain operations give the same, which
    saves OpenVINO a quarter of the whole network's time.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    width : int
        Channels of each branch.
    even : bool
        All maps that come in have even edges of 4 pixels or more.
    last : bool
        The result is logits: with a bias, without normalisation and activation.
    """

    normed = (("expand", "fuse"),)

    def __init__(
        self, inputs: int, outputs: int, width: int, *, even: bool = False, last: bool = False
    ) -> None:
        super().__init__()
        self.even = even
        self.project = ConvNormAct(inputs, width, kernel=1, epsilon=PLAIN_EPSILON)
        self.branches = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False) for _ in SCALES
        )
        self.gather = NormAct(width * len(SCALES), epsilon=PLAIN_EPSILON)
        self.merge = ConvNormAct(width * len(SCALES), width, groups=width, epsilon=PLAIN_EPSILON)
        self.fuse = nn.Identity() if last else NormAct(outputs, epsilon=PLAIN_EPSILON)
        self.expand = nn.Conv2d(width, outputs, 1, bias=last)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        narrow = self.project(x)
        seen = [
            self._at_scale(branch, narrow, *scale)
            for branch, scale in zip(self.branches, SCALES, strict=True)
        ]
        gathered = self.gather(torch.cat(seen, dim=1))
        # One channel of every scale after the other, so that each group merges all scales.
        shuffled = gathered.unflatten(1, (len(SCALES), -1)).transpose(1, 2).flatten(1, 2)
        out: Tensor = self.fuse(self.expand(self.merge(shuffled)))
        return out

    def _at_scale(self, branch: nn.Module, x: Tensor, numerator: int, denominator: int) -> Tensor:
        """Resize, convolve, and resize back."""
        size = x.shape[2:]
        scaled = [_scale(length, numerator, denominator) for length in size]
        if numerator < denominator:
            return _enlarge(branch(_shrink(x, scaled)), size)
        if numerator == denominator:
            out: Tensor = branch(x)
            return out
        enlarged = branch(_enlarge(x, scaled))
        if not self.even:
            return _shrink(enlarged, size)
        return F.avg_pool2d(enlarged, 2) if denominator == 1 else _two_of_three(enlarged)


def _shrink(x: Tensor, size: Sequence[int]) -> Tensor:
    height, width = size
    return average_regions(x, (height, width))


def _two_of_three(x: Tensor) -> Tensor:
    """Pool rows and columns by 2/3: of every three, the first two and the last two."""
    rows = torch.unflatten(x, 2, (-1, 3))
    x = (rows[:, :, :, :2] + rows[:, :, :, 1:]).flatten(2, 3)
    columns = torch.unflatten(x, 3, (-1, 3))
    return (columns[..., :2] + columns[..., 1:]).flatten(3, 4) / 4


def _enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=list(size), mode="bilinear", align_corners=True)


def _scale(length: int | Tensor, numerator: int, denominator: int) -> int:
    """Return a scaled length, rounded up, but no less than the smallest."""
    scaled = (length * numerator + denominator - 1) // denominator
    if isinstance(scaled, Tensor):
        # The tracer hands out lengths as tensors; a comparison would fix the answer for good.
        return scaled.clamp(min=SMALLEST)  # type: ignore[return-value]
    return max(scaled, SMALLEST)

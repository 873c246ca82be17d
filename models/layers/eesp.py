"""The extremely efficient spatial pyramid and its strided form (ESPNetv2 paper, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import PLAIN_EPSILON, ConvNorm, ConvNormAct, NormAct

BRANCHES = 4
"""K, the parallel branches of a pyramid and the groups of its 1×1 convolutions."""

WIDE = (1, 2, 3, 4)
"""Dilation rates where the receptive field may be 9 pixels wide or more."""

NARROW = (1, 1, 2, 3)
"""Dilation rates where it is limited to 7 pixels: the branch that would be wider has rate 1."""

NARROWEST = (1, 1, 1, 2)
"""Dilation rates where it is limited to 5 pixels."""


class EESP(nn.Module):
    """Reduce, split, transform, merge: one pyramid of four depth-wise dilated convolutions.

    A grouped 1×1 convolution reduces the input to ``outputs // 4`` channels, four depth-wise 3×3
    convolutions look at it with growing dilation, hierarchical feature fusion adds each of them
    to the sum of those before, and a grouped 1×1 convolution merges the sums.  Unlike in the
    first ESPNet the sums begin with the first branch.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out, multiples of 4; `outputs` of 16.  The input is added to the result
        where both are equal and the stride is 1.
    dilations : tuple of int
        Of the branches, ascending.
    stride : int
        Of the depth-wise convolutions.  With 2 the result is left without its activation, for
        :class:`StridedEESP` to go on with.  The slopes are there all the same, as in the
        authors' code: nothing uses or trains them, but they count as parameters.
    """

    def __init__(
        self, inputs: int, outputs: int, dilations: tuple[int, ...] = NARROW, *, stride: int = 1
    ) -> None:
        super().__init__()
        width = outputs // BRANCHES
        self.stride = stride
        self.residual = stride == 1 and inputs == outputs
        self.reduce = ConvNormAct(inputs, width, kernel=1, groups=BRANCHES, epsilon=PLAIN_EPSILON)
        self.branches = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, padding=d, dilation=d, groups=width, bias=False)
            for d in dilations
        )
        self.fuse = NormAct(outputs, epsilon=PLAIN_EPSILON)
        self.expand = ConvNorm(outputs, outputs, kernel=1, groups=BRANCHES, epsilon=PLAIN_EPSILON)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``, rounded up."""
        reduced = self.reduce(x)
        first, *others = [branch(reduced) for branch in self.branches]
        sums = [first]
        for branch in others:
            sums.append(sums[-1] + branch)
        merged: Tensor = self.expand(self.fuse(torch.cat(sums, dim=1)))
        if self.stride > 1:
            return merged
        out: Tensor = self.act(x + merged if self.residual else merged)
        return out


class StridedEESP(nn.Module):
    """Halve the resolution and add what the image itself looks like at that size (section 3.2).

    Average pooling carries the input's channels over, a strided :class:`EESP` makes those that
    are new, and a shrunken image is projected onto all of them.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out; ``outputs - inputs`` is a positive multiple of 16.
    dilations : tuple of int
        Of the pyramid's branches.
    """

    def __init__(self, inputs: int, outputs: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.pyramid = EESP(inputs, outputs - inputs, dilations, stride=2)
        self.reinforce = nn.Sequential(
            ConvNormAct(3, 3, epsilon=PLAIN_EPSILON),
            ConvNorm(3, outputs, kernel=1, epsilon=PLAIN_EPSILON),
        )
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor, image: Tensor | None = None) -> Tensor:
        """Halve the map and widen it to ``outputs`` channels.

        Parameters
        ----------
        x : Tensor
            ``(B, inputs, H, W)``.
        image : Tensor, optional
            ``(B, 3, H / 2, W / 2)``, the shrunken image; without one nothing is added.

        Returns
        -------
        Tensor
            ``(B, outputs, H / 2, W / 2)``, rounded up.
        """
        halved = torch.cat([self.pool(x), self.pyramid(x)], dim=1)
        out: Tensor = self.act(halved if image is None else halved + self.reinforce(image))
        return out

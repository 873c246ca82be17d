"""Two branches of different resolution that exchange features (DDRNet paper, section III-B)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import PLAIN_EPSILON, ConvNorm, ConvNormAct, relu

Fusion = Literal["both", "first", "second", "none"]

EXPANSION = 2
"""How many times as many channels as in its middle a bottleneck gives."""


class _Residual(nn.Module):
    """Convolutions, and the input added, which a 1×1 convolution fits where the shape changes.

    Parameters
    ----------
    branch : Module
        The convolutions.
    inputs, outputs, stride : int
        What they make of the input.
    activated : bool
        Whether a ReLU follows.
    epsilon : float
        Of the batch norm.
    """

    def __init__(
        self,
        branch: nn.Module,
        inputs: int,
        outputs: int,
        stride: int,
        *,
        activated: bool,
        epsilon: float,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else ConvNorm(inputs, outputs, stride, kernel=1, epsilon=epsilon)
        )
        self.act = relu(outputs) if activated else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``, rounded up."""
        out: Tensor = self.act(self.branch(x) + self.shortcut(x))
        return out


class BasicBlock(_Residual):
    """Two 3×3 convolutions around a residual connection (He et al., CVPR 2016).

    Parameters
    ----------
    inputs, outputs, stride : int
        Channels in and out; the first convolution has the stride.
    activated : bool
        Whether a ReLU follows.
    epsilon : float
        Of the batch norms.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        activated: bool = True,
        epsilon: float = PLAIN_EPSILON,
    ) -> None:
        branch = nn.Sequential(
            ConvNormAct(inputs, outputs, stride, activation=relu, epsilon=epsilon),
            ConvNorm(outputs, outputs, epsilon=epsilon),
        )
        super().__init__(branch, inputs, outputs, stride, activated=activated, epsilon=epsilon)


class Bottleneck(_Residual):
    """1×1, 3×3 and 1×1 convolutions around a residual connection; no ReLU follows.

    Parameters
    ----------
    inputs, inner, stride : int
        Channels in and in the middle, twice as many out; the 3×3 convolution has the stride.
    epsilon : float
        Of the batch norms.
    """

    def __init__(
        self, inputs: int, inner: int, stride: int = 1, *, epsilon: float = PLAIN_EPSILON
    ) -> None:
        outputs = EXPANSION * inner
        branch = nn.Sequential(
            ConvNormAct(inputs, inner, kernel=1, activation=relu, epsilon=epsilon),
            ConvNormAct(inner, inner, stride, activation=relu, epsilon=epsilon),
            ConvNorm(inner, outputs, kernel=1, epsilon=epsilon),
        )
        super().__init__(branch, inputs, outputs, stride, activated=False, epsilon=epsilon)


def bottlenecks(
    inputs: int, inner: int, stride: int = 1, count: int = 1, *, epsilon: float = PLAIN_EPSILON
) -> nn.Sequential:
    """Return bottlenecks in a row, the first with the stride; no ReLU stands between them.

    Parameters
    ----------
    inputs, inner : int
        Channels in and in the middle, twice as many out.
    stride : int
        Of the first one.
    count : int
        How many.
    epsilon : float
        Of the batch norms.
    """
    rest = [Bottleneck(EXPANSION * inner, inner, epsilon=epsilon) for _ in range(count - 1)]
    return nn.Sequential(Bottleneck(inputs, inner, stride, epsilon=epsilon), *rest)


class BilateralFusion(nn.Module):
    """Each branch receives the features of the other, in its own resolution and channels.

    Parameters
    ----------
    detail, semantic : int
        Channels of the branches.
    halvings : int
        How many times the semantic branch is halved against the detail branch.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, detail: int, semantic: int, halvings: int, epsilon: float) -> None:
        super().__init__()
        self.compress = ConvNorm(semantic, detail, kernel=1, epsilon=epsilon)
        channels = [detail, *(semantic >> step for step in reversed(range(halvings)))]
        *before, last = itertools.pairwise(channels)
        self.down = nn.Sequential(
            *[ConvNormAct(*pair, 2, activation=relu, epsilon=epsilon) for pair in before],
            ConvNorm(*last, 2, epsilon=epsilon),
        )

    def forward(self, detail: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        """Add to each branch what the other one gives.

        Parameters
        ----------
        detail, semantic : Tensor
            ``(B, detail, H, W)`` and ``(B, semantic, h, w)``.

        Returns
        -------
        tuple of Tensor
            Of the same shapes.
        """
        up = F.interpolate(
            self.compress(F.relu(semantic)),
            size=detail.shape[2:],
            mode="bilinear",
            align_corners=False,
        )
        return detail + up, semantic + self.down(F.relu(detail))


class DualResolution(nn.Module):
    """A stem to 1/8, then a branch that stays there beside one to 1/64, which are added at the end.

    Parameters
    ----------
    width : int
        Channels of the first convolution: the branches have twice and four times as many after
        the first of their three stages, and the detail branch in the second one.
    stem : Module
        The picture at 1/8 in ``2 width`` channels.
    detail, semantic : sequence of Module
        The three stages of each branch, without a ReLU at their end.
    context : Module
        What is made of the semantic branch before it is enlarged and added.
    fusion : {"both", "first", "second", "none"}
        After which stages the branches inform each other.
    epsilon : float
        Of the batch norms.
    """

    def __init__(
        self,
        width: int,
        stem: nn.Module,
        detail: Sequence[nn.Module],
        semantic: Sequence[nn.Module],
        context: nn.Module,
        *,
        fusion: Fusion = "both",
        epsilon: float,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.detail4, self.detail5, self.detail6 = detail
        self.semantic4, self.semantic5, self.semantic6 = semantic
        self.fusion4 = (
            BilateralFusion(2 * width, 4 * width, 1, epsilon)
            if fusion in ("both", "first")
            else None
        )
        self.fusion5 = (
            BilateralFusion(2 * width, 8 * width, 2, epsilon)
            if fusion in ("both", "second")
            else None
        )
        self.context = context

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``(B, 3, H, W)`` to the features at 1/8, and the details after the first fusion.

        They have ``4 width`` and ``2 width`` channels.
        """
        stem = self.stem(x)
        detail, semantic = self.detail4(stem), self.semantic4(stem)
        if self.fusion4 is not None:
            detail, semantic = self.fusion4(detail, semantic)
        early = detail
        detail, semantic = self.detail5(F.relu(detail)), self.semantic5(F.relu(semantic))
        if self.fusion5 is not None:
            detail, semantic = self.fusion5(detail, semantic)
        detail, semantic = self.detail6(F.relu(detail)), self.semantic6(F.relu(semantic))
        context = F.interpolate(
            self.context(semantic), size=detail.shape[2:], mode="bilinear", align_corners=False
        )
        return detail + context, early

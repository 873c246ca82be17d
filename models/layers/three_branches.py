"""Branches of detail, context and boundaries that guide each other (PIDNet paper, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.elementary import ConvNorm
from wsiseg.models.layers.preactivated import NormActConv


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class PixelAttention(nn.Module):
    """Let the detail branch take from the context where both agree (section 4.1).

    Parameters
    ----------
    channels, inner : int
        Of the maps, and of what they are compared in.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, channels: int, inner: int, epsilon: float) -> None:
        super().__init__()
        self.detail = ConvNorm(channels, inner, kernel=1, epsilon=epsilon)
        self.context = ConvNorm(channels, inner, kernel=1, epsilon=epsilon)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        """Return a map of the shape of `detail`."""
        alike = self.detail(detail) * _enlarge(self.context(context), detail)
        share = alike.sum(1, keepdim=True).sigmoid()
        out: Tensor = share * _enlarge(context, detail) + (1 - share) * detail
        return out


class BoundaryFusion(nn.Module):
    """Take details at boundaries and context elsewhere, and convolve (Bag, section 4.3).

    Parameters
    ----------
    channels : int
        Channels in and out.
    epsilon : float
        Of the batch norm.
    """

    def __init__(self, channels: int, epsilon: float) -> None:
        super().__init__()
        self.merge = NormActConv(channels, channels, kernel=3, epsilon=epsilon)

    def forward(self, detail: Tensor, context: Tensor, boundary: Tensor) -> Tensor:
        """Return a map of the same shape."""
        share = boundary.sigmoid()
        out: Tensor = self.merge(share * detail + (1 - share) * context)
        return out


class LightBoundaryFusion(nn.Module):
    """The same with two 1×1 convolutions (Light-Bag).

    Parameters
    ----------
    channels : int
        Channels in and out.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, channels: int, epsilon: float) -> None:
        super().__init__()
        self.detail = ConvNorm(channels, channels, kernel=1, epsilon=epsilon)
        self.context = ConvNorm(channels, channels, kernel=1, epsilon=epsilon)

    def forward(self, detail: Tensor, context: Tensor, boundary: Tensor) -> Tensor:
        """Return a map of the same shape."""
        share = boundary.sigmoid()
        details = self.detail(detail + (1 - share) * context)
        out: Tensor = details + self.context(context + share * detail)
        return out


class ThreeBranches(nn.Module):
    """A stem to 1/8, then details and boundaries that stay there, and context to 1/64.

    Parameters
    ----------
    width : int
        Channels of the first convolution.
    stem : Module
        The picture at 1/8 in ``2 width`` channels.
    detail, context, boundary : sequence of Module
        The three stages of each branch, without a ReLU at their end.
    boundary_width : int
        Channels of the boundary branch after its first stage; ``2 width`` after the second.
    pyramid : Module
        What is made of the context before it is enlarged.
    fusion : Module
        What merges the three.
    epsilon : float
        Of the batch norms.
    """

    def __init__(
        self,
        width: int,
        stem: nn.Module,
        detail: Sequence[nn.Module],
        context: Sequence[nn.Module],
        boundary: Sequence[nn.Module],
        *,
        boundary_width: int,
        pyramid: nn.Module,
        fusion: nn.Module,
        epsilon: float,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.detail = nn.ModuleList(detail)
        self.context = nn.ModuleList(context)
        self.boundary = nn.ModuleList(boundary)
        widths = (4 * width, 8 * width)
        self.compress = nn.ModuleList(
            ConvNorm(inputs, 2 * width, kernel=1, epsilon=epsilon) for inputs in widths
        )
        self.attend = nn.ModuleList(PixelAttention(2 * width, width, epsilon) for _ in widths)
        self.differ = nn.ModuleList(
            ConvNorm(inputs, outputs, epsilon=epsilon)
            for inputs, outputs in zip(widths, (boundary_width, 2 * width), strict=True)
        )
        self.pyramid = pyramid
        self.fusion = fusion

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features at 1/8: all merged, early details, and boundaries."""
        detail = context = boundary = self.stem(x)
        early: list[Tensor] = []
        for stage in range(2):
            context = F.relu(self.context[stage](context))
            detail = self.attend[stage](self.detail[stage](detail), self.compress[stage](context))
            boundary = self.boundary[stage](boundary)
            boundary = boundary + _enlarge(self.differ[stage](context), boundary)
            early.append(detail)
            if stage == 0:
                detail, boundary = F.relu(detail), F.relu(boundary)
        late = boundary
        detail = self.detail[2](F.relu(detail))
        boundary = self.boundary[2](F.relu(boundary))
        context = _enlarge(self.pyramid(self.context[2](context)), detail)
        return self.fusion(detail, context, boundary), early[0], late

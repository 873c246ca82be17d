"""PIDNet in its three sizes (Xu et al., CVPR 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import PLAIN_EPSILON, ConvNorm, ConvNormAct, relu
from wsiseg.models.layers.dappm import DAPPM
from wsiseg.models.layers.dual_resolution import BasicBlock, bottlenecks
from wsiseg.models.layers.pappm import PAPPM
from wsiseg.models.layers.preactivated import NormActConv, PixelHead
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.networks.supervision import LogitsWithBoundaries
from wsiseg.models.registry import register

PAPER = (
    "Xu et al., PIDNet: A Real-time Semantic Segmentation Network Inspired by PID Controllers, "
    "CVPR 2023"
)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class Pag(nn.Module):
    """Pixel attention: the detail branch takes from the context where both agree (section 4.1).

    Parameters
    ----------
    channels, inner : int
        Channels of the maps, and of their projections that are compared.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, channels: int, inner: int, epsilon: float) -> None:
        super().__init__()
        self.detail = ConvNorm(channels, inner, kernel=1, epsilon=epsilon)
        self.context = ConvNorm(channels, inner, kernel=1, epsilon=epsilon)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        """Return the detail map mixed with the context.

        Parameters
        ----------
        detail, context : Tensor
            ``(B, channels, H, W)`` and ``(B, channels, h, w)`` of any size.

        Returns
        -------
        Tensor
            ``(B, channels, H, W)``.
        """
        alike = self.detail(detail) * _enlarge(self.context(context), detail)
        share = alike.sum(1, keepdim=True).sigmoid()
        out: Tensor = share * _enlarge(context, detail) + (1 - share) * detail
        return out


class Bag(nn.Module):
    """Boundary attention: details at boundaries, context elsewhere, convolved (section 4.3).

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
        """Return the three branches merged.

        Parameters
        ----------
        detail, context, boundary : Tensor
            ``(B, channels, H, W)`` each.

        Returns
        -------
        Tensor
            ``(B, channels, H, W)``.
        """
        share = boundary.sigmoid()
        out: Tensor = self.merge(share * detail + (1 - share) * context)
        return out


class LightBag(nn.Module):
    """The same with two 1×1 convolutions (Light-Bag, section 4.3).

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
        """Return the three branches merged.

        Parameters
        ----------
        detail, context, boundary : Tensor
            ``(B, channels, H, W)`` each.

        Returns
        -------
        Tensor
            ``(B, channels, H, W)``.
        """
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
        self.attend = nn.ModuleList(Pag(2 * width, width, epsilon) for _ in widths)
        self.differ = nn.ModuleList(
            ConvNorm(inputs, outputs, epsilon=epsilon)
            for inputs, outputs in zip(widths, (boundary_width, 2 * width), strict=True)
        )
        self.pyramid = pyramid
        self.fusion = fusion

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map ``(B, 3, H, W)`` to features at 1/8: all merged, early details, and boundaries.

        They have ``4 width``, ``2 width`` and ``2 width`` channels.
        """
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


def _blocks(
    inputs: int, outputs: int, stride: int, count: int, *, activated: bool = False
) -> nn.Sequential:
    shapes = [(inputs, outputs, stride)] + [(outputs, outputs, 1)] * (count - 1)
    *others, last = shapes
    return nn.Sequential(
        *[BasicBlock(*shape) for shape in others],
        BasicBlock(*last, activated=activated),
    )


def _encoder(w: int, pyramid: int, stem_blocks: int, branch_blocks: int) -> ThreeBranches:
    large = stem_blocks > 2
    context = DAPPM if large else PAPPM
    fusion = Bag if large else LightBag
    boundary_width = 2 * w if large else w
    return ThreeBranches(
        w,
        nn.Sequential(
            ConvNormAct(3, w, 2, activation=relu, epsilon=PLAIN_EPSILON),
            ConvNormAct(w, w, 2, activation=relu, epsilon=PLAIN_EPSILON),
            _blocks(w, w, 1, stem_blocks, activated=True),
            _blocks(w, 2 * w, 2, stem_blocks, activated=True),
        ),
        detail=(
            _blocks(2 * w, 2 * w, 1, stem_blocks),
            _blocks(2 * w, 2 * w, 1, stem_blocks),
            bottlenecks(2 * w, 2 * w),
        ),
        context=(
            _blocks(2 * w, 4 * w, 2, branch_blocks),
            _blocks(4 * w, 8 * w, 2, branch_blocks),
            bottlenecks(8 * w, 8 * w, 2, count=2),
        ),
        boundary=(
            _blocks(2 * w, boundary_width, 1, 1),
            _blocks(2 * w, 2 * w, 1, 1) if large else bottlenecks(w, w),
            bottlenecks(2 * w, 2 * w),
        ),
        boundary_width=boundary_width,
        pyramid=context(16 * w, pyramid, 4 * w, PLAIN_EPSILON),
        fusion=fusion(4 * w, PLAIN_EPSILON),
        epsilon=PLAIN_EPSILON,
    )


class PIDNet(SegmentationNetwork):
    """PIDNet: details at 1/8, context to 1/64, and boundaries that decide between both.

    As MMSegmentation builds it; logits are at 1/8.  In training a second head learns the classes
    from the early details, and a third one where labels change (section 4.4); inference goes
    without.  That third head's logits have one channel, and so stand beside the others in what
    :meth:`supervised` returns.

    The pyramid takes a mean over the whole picture, so a tile's logits depend on all of the tile,
    and sizes that are no multiple of 8 count the zeros that they are padded with.  Beyond 1/8
    sizes are rounded up after each stage, as in MMSegmentation.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    input_multiple = 8
    output_stride = 8
    auxiliary = ("auxiliary_head", "boundary_head")

    width: ClassVar[int]
    """Channels of the first convolution."""
    head_width: ClassVar[int]
    """Channels between the convolutions of the heads for classes."""
    pyramid: ClassVar[int]
    """Channels of each scale of the pyramid."""
    blocks: ClassVar[tuple[int, int]]
    """Residual blocks in each stage of the stem and of the details, and in one of the context."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        w = self.width
        self.encoder = _encoder(w, self.pyramid, *self.blocks)
        self.boundary_head = PixelHead(2 * w, w, 1, PLAIN_EPSILON)
        self.auxiliary_head = PixelHead(2 * w, self.head_width, classes, PLAIN_EPSILON)
        self.head = PixelHead(4 * w, self.head_width, classes, PLAIN_EPSILON)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        merged, _, _ = self.encoder(x)
        logits: Tensor = self.head(merged)
        return logits

    def supervised(self, x: Tensor) -> LogitsWithBoundaries:
        """Return the logits and those of the auxiliary head, and beside them of boundaries.

        All are at the input's size.
        """
        padded = self._pad(x)
        merged, detail, boundary = self.encoder(padded)
        main, auxiliary, boundaries = (
            self._enlarge(logits, padded, x)
            for logits in (
                self.head(merged),
                self.auxiliary_head(detail),
                self.boundary_head(boundary),
            )
        )
        return LogitsWithBoundaries((main, auxiliary), boundaries)


@register("pidnet-s", family="PIDNet", paper=PAPER)
class PIDNetS(PIDNet):
    """The small PIDNet."""

    width = 32
    head_width = 128
    pyramid = 96
    blocks = (2, 3)


@register("pidnet-m", family="PIDNet", paper=PAPER)
class PIDNetM(PIDNet):
    """The medium PIDNet: twice as wide."""

    width = 64
    head_width = 128
    pyramid = 96
    blocks = (2, 3)


@register("pidnet-l", family="PIDNet", paper=PAPER)
class PIDNetL(PIDNet):
    """The large PIDNet: deeper, with DAPPM and Bag in place of PAPPM and Light-Bag."""

    width = 64
    head_width = 256
    pyramid = 112
    blocks = (3, 4)

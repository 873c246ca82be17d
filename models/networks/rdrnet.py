"""RDRNet in its four sizes (Yang et al., 2024)."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import nn

from wsiseg.models.layers.aggregation_pyramid import DAPPM, PAPPM, PPM, RPPM
from wsiseg.models.layers.dual_resolution import DualResolution, Fusion, bottlenecks
from wsiseg.models.layers.elementary import LARGE_EPSILON, ConvNorm
from wsiseg.models.layers.reparameterised import Reparameterisable
from wsiseg.models.networks.dual_resolution_network import DualResolutionNetwork
from wsiseg.models.registry import register

PAPER = (
    "Yang et al., Reparameterizable Dual-Resolution Network for Real-time Semantic Segmentation, "
    "2024"
)

MOMENTUM = 0.03
"""Share of a batch in the running statistics, of everything but the heads."""

PYRAMID = 128
"""Channels of each scale of the context module, whatever the size of the network."""

CONTEXTS = {"rppm": RPPM, "ppm": PPM, "dappm": DAPPM, "pappm": PAPPM}

Depths = tuple[int, int, int, int, int]


def _blocks(inputs: int, outputs: int, stride: int, more: int, *, activated: bool) -> nn.Sequential:
    """Return one block that changes the shape, if any does, and more that keep it."""
    shapes = [(outputs, outputs, 1)] * more
    if stride > 1:
        shapes.insert(0, (inputs, outputs, stride))
    *others, last = shapes
    return nn.Sequential(
        *[Reparameterisable(*shape, epsilon=LARGE_EPSILON) for shape in others],
        Reparameterisable(*last, activated=activated, epsilon=LARGE_EPSILON),
    )


def _encoder(width: int, depths: Depths, context: str, fusion: Fusion) -> DualResolution:
    quarter, eighth, semantic, detail, last = depths
    w = width
    stem = nn.Sequential(
        Reparameterisable(3, w, 2, epsilon=LARGE_EPSILON),
        Reparameterisable(w, w, 2, epsilon=LARGE_EPSILON),
        *_blocks(w, w, 1, quarter, activated=True),
        *_blocks(w, 2 * w, 2, eighth, activated=True),
    )
    encoder = DualResolution(
        w,
        stem,
        detail=(
            _blocks(2 * w, 2 * w, 1, detail, activated=False),
            _blocks(2 * w, 2 * w, 1, detail, activated=False),
            bottlenecks(2 * w, 2 * w, 1, last, epsilon=LARGE_EPSILON),
        ),
        semantic=(
            _blocks(2 * w, 4 * w, 2, semantic, activated=False),
            _blocks(4 * w, 8 * w, 2, semantic, activated=False),
            bottlenecks(8 * w, 8 * w, 2, last, epsilon=LARGE_EPSILON),
        ),
        context=(
            ConvNorm(16 * w, 4 * w, kernel=1, epsilon=LARGE_EPSILON)
            if context == "none"
            else CONTEXTS[context](16 * w, PYRAMID, 4 * w, LARGE_EPSILON)
        ),
        fusion=fusion,
        epsilon=LARGE_EPSILON,
    )
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
    return encoder


class RDRNet(DualResolutionNetwork):
    """RDRNet: a detail branch at 1/8 beside a semantic one to 1/64, of blocks that fold.

    In training a block has up to three paths (section 3.2) and the context module two parallel
    convolutions (section 3.3); :func:`wsiseg.models.folding.merge_paths` makes one convolution of
    each, without changing a label.  An auxiliary head learns from the detail branch after the
    first fusion (section 3.4); inference goes without.

    Parameters
    ----------
    classes : int
        1 to 255.
    context : {"rppm", "ppm", "dappm", "pappm", "none"}
        What looks at the wider surroundings (paper, figure 8).  All but the first are for
        comparison: pyramid pooling has 128 channels per grid, and of ``none`` a 1×1 convolution is
        left, both of which the paper does not say.
    fusion : {"both", "first", "second", "none"}
        After which of the two common stages the branches inform each other (paper, figure 8).
    """

    depths: ClassVar[Depths]
    """Blocks that keep the shape, at 1/4, at 1/8, in a semantic and a detail stage; bottlenecks."""

    def __init__(
        self,
        classes: int,
        *,
        context: Literal["rppm", "ppm", "dappm", "pappm", "none"] = "rppm",
        fusion: Literal["both", "first", "second", "none"] = "both",
    ) -> None:
        super().__init__(classes, _encoder(self.width, self.depths, context, fusion))


@register("rdrnet-s-simple", family="RDRNet", paper=PAPER)
class RDRNetSSimple(RDRNet):
    """The fastest RDRNet."""

    width = 32
    head_width = 64
    depths = (4, 3, 5, 4, 1)


@register("rdrnet-s", family="RDRNet", paper=PAPER)
class RDRNetS(RDRNet):
    """The small RDRNet: its head is twice as wide."""

    width = 32
    head_width = 128
    depths = (4, 3, 5, 4, 1)


@register("rdrnet-m", family="RDRNet", paper=PAPER)
class RDRNetM(RDRNet):
    """The medium RDRNet: twice as wide throughout."""

    width = 64
    head_width = 128
    depths = (4, 3, 5, 4, 1)


@register("rdrnet-l", family="RDRNet", paper=PAPER)
class RDRNetL(RDRNet):
    """The large RDRNet: deeper, with a wider head."""

    width = 64
    head_width = 256
    depths = (6, 5, 7, 6, 2)

"""DDRNet-23 and its slim form (Pan et al., IEEE T-ITS 2022)."""

from __future__ import annotations

from torch import nn

from wsiseg.models.layers.convolutions import PLAIN_EPSILON, ConvNormAct, relu
from wsiseg.models.layers.dappm import DAPPM
from wsiseg.models.layers.dual_resolution import BasicBlock, DualResolution, bottlenecks
from wsiseg.models.networks.dual_resolution_network import DualResolutionNetwork
from wsiseg.models.registry import register

PAPER = (
    "Pan et al., Deep Dual-Resolution Networks for Real-Time and Accurate Semantic Segmentation "
    "of Traffic Scenes, IEEE T-ITS 2022"
)

PYRAMID = 128
"""Channels of each scale of the context module."""


def _blocks(inputs: int, outputs: int, stride: int = 1, *, activated: bool = False) -> nn.Module:
    return nn.Sequential(
        BasicBlock(inputs, outputs, stride),
        BasicBlock(outputs, outputs, activated=activated),
    )


def _encoder(w: int) -> DualResolution:
    stem = nn.Sequential(
        ConvNormAct(3, w, 2, activation=relu, epsilon=PLAIN_EPSILON),
        ConvNormAct(w, w, 2, activation=relu, epsilon=PLAIN_EPSILON),
        _blocks(w, w, activated=True),
        _blocks(w, 2 * w, 2, activated=True),
    )
    return DualResolution(
        w,
        stem,
        detail=(_blocks(2 * w, 2 * w), _blocks(2 * w, 2 * w), bottlenecks(2 * w, 2 * w)),
        semantic=(_blocks(2 * w, 4 * w, 2), _blocks(4 * w, 8 * w, 2), bottlenecks(8 * w, 8 * w, 2)),
        context=DAPPM(16 * w, PYRAMID, 4 * w, PLAIN_EPSILON),
        epsilon=PLAIN_EPSILON,
    )


class DDRNet(DualResolutionNetwork):
    """DDRNet-23: a detail branch at 1/8 beside a semantic one to 1/64, fused twice.

    As MMSegmentation builds it, in whose names weights are imported.  An auxiliary head learns
    from the detail branch after the first fusion (section III-D); inference goes without.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(classes, _encoder(self.width))


@register("ddrnet23-slim", family="DDRNet", paper=PAPER)
class DDRNet23Slim(DDRNet):
    """The slim DDRNet-23."""

    width = 32
    head_width = 64


@register("ddrnet23", family="DDRNet", paper=PAPER)
class DDRNet23(DDRNet):
    """The DDRNet-23: twice as wide throughout."""

    width = 64
    head_width = 128

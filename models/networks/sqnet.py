"""SQNet (Treml et al., 2016)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.aspp import ASPP
from wsiseg.models.layers.initialisation import he_initialise
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Treml et al., Speeding up Semantic Segmentation for Autonomous Driving, NIPS Workshop on "
    "Machine Learning for Intelligent Transportation Systems 2016"
)

DILATIONS = (1, 2, 3, 4)
"""Of the convolutions side by side at 1/16."""


class Fire(nn.Module):
    """SqueezeNet's fire module: squeeze the channels, expand by 1×1 and 3×3 side by side (§3.2).

    With ELUs, as in SQNet, where SqueezeNet has ReLUs.

    Parameters
    ----------
    inputs, squeezed : int
        Channels in and between.
    expanded : int
        Channels out, half of them of either convolution.
    """

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.pointwise = nn.Conv2d(squeezed, expanded // 2, 1)
        self.around = nn.Conv2d(squeezed, expanded // 2, 3, padding=1)
        self.act = nn.ELU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, expanded, H, W)``."""
        squeezed = self.act(self.squeeze(x))
        out: Tensor = self.act(torch.cat([self.pointwise(squeezed), self.around(squeezed)], dim=1))
        return out


def _doubling(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)


class _Encoder(nn.Module):
    """SqueezeNet with ELUs: 96 channels at 1/2, 128 at 1/4, 256 at 1/8, 512 at 1/16."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(3, 96, 3, stride=2, padding=1), nn.ELU()),
                nn.Sequential(Fire(96, 16, 128), Fire(128, 16, 128)),
                nn.Sequential(Fire(128, 32, 256), Fire(256, 32, 256)),
                nn.Sequential(Fire(256, 64, 512), Fire(512, 64, 512), Fire(512, 64, 512)),
            ]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps from 1/2 to 1/16."""
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(F.max_pool2d(x, 2) if maps else x)
            maps.append(x)
        return maps


class _Refinement(nn.Module):
    """Enlarge a map and refine it by one of the encoder that passes by.

    Parameters
    ----------
    inputs, outputs : int
        Channels of the map, and of the encoder's, which comes out with twice as many.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.enlarge = _doubling(inputs, outputs)
        self.bypass = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.merge = nn.Conv2d(2 * outputs, 2 * outputs, 3, padding=1)
        self.act = nn.ELU()

    def forward(self, x: Tensor, passing: Tensor) -> Tensor:
        """Return ``(B, 2 * outputs, 2 H, 2 W)``."""
        both = torch.cat([self.bypass(passing), self.enlarge(x)], dim=1)
        out: Tensor = self.act(self.merge(self.act(both)))
        return out


@register("sqnet", family="SQNet", paper=PAPER)
class SQNet(SegmentationNetwork):
    """SQNet: SqueezeNet with ELUs, dilated convolutions side by side, refinement by bypasses.

    The paper gives neither widths nor dilations of every layer; these are those of the programs
    that reproduce it (Efficient-Segmentation-Networks and imgclsmob), with 16,262,771 parameters
    for 19 classes.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    input_multiple = 16

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = _Encoder()
        self.context = ASPP(512, 512, DILATIONS, nn.ELU())
        self.refine8 = _Refinement(512, 256)
        self.refine4 = _Refinement(512, 128)
        self.refine2 = _Refinement(256, 96)
        self.classifier = _doubling(192, classes)
        he_initialise(self)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H, W)``."""
        half, quarter, eighth, sixteenth = self.encoder(x)
        x = self.refine8(self.context(sixteenth), eighth)
        x = self.refine2(self.refine4(x, quarter), half)
        logits: Tensor = self.classifier(x)
        return logits

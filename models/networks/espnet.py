"""ESPNet: ESPNet-C with a decoder (Mehta et al., ECCV 2018)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from wsiseg.models.layers.elementary import LARGE_EPSILON, BatchNorm, ConvNormAct, NormAct
from wsiseg.models.layers.esp import BRANCHES, ESP, Fusion
from wsiseg.models.layers.espnet_encoder import (
    Activation,
    Design,
    Down,
    ESPNetEncoder,
    Reinforcement,
    Unit,
)
from wsiseg.models.networks.espnet_c import PAPER
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register


@register("espnet", family="ESPNet", paper=PAPER)
class ESPNet(SegmentationNetwork):
    """ESPNet: ESPNet-C with a light decoder, logits at full resolution.

    The authors' decoder works in as many channels as there are classes, and its ESP module needs
    five.  With fewer classes this one keeps as many channels as its pyramid has branches, five
    unless asked otherwise, up to the last deconvolution; from five classes on it is theirs, bit
    for bit, unless `width` asks for another one.

    Parameters
    ----------
    classes : int
        1 to 255.
    alpha2, alpha3, channels2, channels3, unit, down, branches, reduction, hff, residual, …
        As :class:`~wsiseg.models.networks.espnet_c.ESPNetC` takes them; `activation` and
        `reinforcement` as well.  The decoder's ESP module follows `branches`, `reduction`, `hff`
        and `activation`, and stays an ESP module beside other units.
    skip : {"test", "train", "paper"}
        What the decoder takes from level 1: its 16 channels alone (the authors' ``test`` code and
        their Cityscapes weights), with the 3 of the shrunken image (their ``train`` code and
        their CamVid weights), or both reduced to the decoder's channels by a 1×1 convolution, as
        the paper's figure has it and no code of the authors.
    width : int
        Channels of the decoder, at least `branches`; 0 for as many as there are classes.  With
        that of a trained network, one of other classes shares all its layers but the last.
    """

    input_multiple = 8
    encoder_architecture = "espnet-c"
    normed = (("project3", "norm3"), ("up2", "fuse2"))

    def __init__(
        self,
        classes: int,
        *,
        alpha2: int = 2,
        alpha3: int = 8,
        skip: Literal["test", "train", "paper"] = "test",
        width: int = 0,
        channels2: int = 64,
        channels3: int = 128,
        unit: Unit = "esp",
        down: Down = "auto",
        branches: int = BRANCHES,
        reduction: int = 1,
        hff: Fusion = "authors",
        residual: bool = True,
        activation: Activation = "prelu",
        reinforcement: Reinforcement = "auto",
    ) -> None:
        super().__init__(classes)
        if width and width < branches:
            msg = f"width must be 0 or at least {branches}, got {width}"
            raise ValueError(msg)
        width = width or max(classes, branches)
        design = Design(
            reinforcement="concatenate" if reinforcement == "auto" else reinforcement,
            alpha2=alpha2,
            alpha3=alpha3,
            channels2=channels2,
            channels3=channels3,
            unit=unit,
            down=down,
            branches=branches,
            reduction=reduction,
            hff=hff,
            residual=residual,
            activation=activation,
        )
        self.skip = skip
        self.shared_arguments = {"width": width}
        self.encoder = ESPNetEncoder(design)
        self._build(classes, width, design, self.encoder.widths)

    def _build(self, classes: int, width: int, design: Design, widths: tuple[int, ...]) -> None:
        """Make the decoder; `widths` are the encoder's."""
        plain1, fused1, fused2, fused3 = widths
        act = design.act
        self.project3 = nn.Conv2d(fused3, width, 1, bias=False)
        self.norm3 = BatchNorm(width, eps=LARGE_EPSILON)
        self.up3 = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        self.project2 = nn.Conv2d(fused2, width, 1, bias=False)
        self.merge2 = nn.Sequential(
            NormAct(2 * width, activation=act), ESP(2 * width, width, **design.pyramid)
        )
        self.up2 = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        self.fuse2 = NormAct(width, activation=act)
        self.project1 = (
            nn.Conv2d(fused1, width, 1, bias=False) if self.skip == "paper" else nn.Identity()
        )
        skipped = {"test": plain1, "train": fused1, "paper": width}[self.skip]
        self.merge1 = ConvNormAct(width + skipped, width, activation=act)
        self.up1 = nn.ConvTranspose2d(width, classes, 2, stride=2, bias=False)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H, W)``."""
        plain1, fused1, fused2, fused3 = self.encoder(x)
        up3 = self.up3(self.norm3(self.project3(fused3)))
        merged2 = self.merge2(torch.cat([self.project2(fused2), up3], dim=1))
        up2 = self.fuse2(self.up2(merged2))
        skipped = self.project1(plain1 if self.skip == "test" else fused1)
        logits: Tensor = self.up1(self.merge1(torch.cat([up2, skipped], dim=1)))
        return logits

"""ESPNet: the encoder of ESPNet-A, -B and -C, with a decoder (Mehta et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import (
    LARGE_EPSILON,
    BatchNorm,
    ConvNormAct,
    NormAct,
    StridedAvgPool,
    relu,
)
from wsiseg.models.layers.esp import BRANCHES, ESP, Fusion, PyramidSettings
from wsiseg.models.networks.espnet_units import UNITS
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = "Mehta et al., ESPNet: Efficient Spatial Pyramid of Dilated Convolutions, ECCV 2018"

Unit = Literal["esp", "mobilenet", "shufflenet", "inception", "resnext", "resnet", "asp"]
Down = Literal["auto", "esp", "conv"]
Activation = Literal["prelu", "relu"]
Reinforcement = Literal["auto", "concatenate", "add", "none"]

WIDEST_PYRAMID = 10
"""Branches that a pyramid has at most: dilation 512."""


@dataclass(frozen=True)
class Design:
    """Configuration of an ESPNet encoder: the arguments of the networks, checked, in one object.

    See :class:`~wsiseg.models.networks.espnet_c.ESPNetC` for those not named here.

    Attributes
    ----------
    concatenation : bool
        Whether a level concatenates the input and the output of its repeated units, which widens
        the network (ESPNet-B and later).
    reinforcement : {"concatenate", "add", "none"}
        How the shrunken image is used.
    """

    concatenation: bool = True
    reinforcement: Reinforcement = "concatenate"
    alpha2: int = 2
    alpha3: int = 8
    channels2: int = 64
    channels3: int = 128
    unit: Unit = "esp"
    down: Down = "auto"
    branches: int = BRANCHES
    reduction: int = 1
    hff: Fusion = "authors"
    residual: bool = True
    activation: Activation = "prelu"

    def __post_init__(self) -> None:
        if self.alpha2 < 1 or self.alpha3 < 1:
            msg = f"alpha2 and alpha3 must be at least 1, got {self.alpha2} and {self.alpha3}"
            raise ValueError(msg)
        if not 1 <= self.branches <= WIDEST_PYRAMID:
            msg = f"branches must be 1 to {WIDEST_PYRAMID}, got {self.branches}"
            raise ValueError(msg)
        if self.reduction not in (1, 3):
            msg = f"reduction must be 1 or 3, got {self.reduction}"
            raise ValueError(msg)
        for channels in (self.channels2, self.channels3):
            if channels < 16 or channels % 16:
                msg = f"channels2 and channels3 must be multiples of 16, got {channels}"
                raise ValueError(msg)

    @property
    def act(self) -> Callable[[int], nn.Module]:
        """What makes an activation for a number of channels."""
        return nn.PReLU if self.activation == "prelu" else relu

    @property
    def pyramid(self) -> PyramidSettings:
        """What an ESP module without a residual connection takes by name."""
        return {
            "branches": self.branches,
            "kernel": self.reduction,
            "hff": self.hff,
            "residual": False,
            "activation": self.act,
        }

    def make_down(self, inputs: int, outputs: int) -> nn.Module:
        """Return the module that halves the resolution in front of a level.

        Parameters
        ----------
        inputs, outputs : int
            Channels in and out.
        """
        if self.down == "conv" or (self.down == "auto" and self.unit != "esp"):
            return ConvNormAct(inputs, outputs, stride=2, activation=self.act)
        return ESP(inputs, outputs, stride=2, **self.pyramid)

    def make_unit(self, channels: int) -> nn.Module:
        """Return one of the units that a level repeats."""
        if self.unit == "esp":
            settings = self.pyramid
            settings["residual"] = self.residual
            return ESP(channels, channels, **settings)
        return UNITS[self.unit](channels, self.act)


class ESPNetEncoder(nn.Module):
    """Three levels of an ESPNet without a classifier, with all that the paper varies (section 4.4).

    Parameters
    ----------
    design : Design
        What it is like.

    Attributes
    ----------
    widths : tuple of int
        Channels of what :meth:`forward` returns.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        width1, width2, width3 = 16, design.channels2, design.channels3
        image = 3 if design.reinforcement == "concatenate" else 0
        times = 2 if design.concatenation else 1
        self.design = design
        self.widths = (width1, width1 + image, times * width2 + image, times * width3)
        self.shrink = StridedAvgPool(3)
        self.level1 = ConvNormAct(3, width1, stride=2, activation=design.act)
        # What nothing is joined to has been normalised already.
        self.fuse1 = NormAct(self.widths[1], activation=design.act) if image else nn.Identity()
        self.down2 = design.make_down(self.widths[1], width2)
        self.level2 = nn.Sequential(*[design.make_unit(width2) for _ in range(design.alpha2)])
        self.fuse2 = self._fuse(self.widths[2], width2)
        self.down3 = design.make_down(self.widths[2], width3)
        self.level3 = nn.Sequential(*[design.make_unit(width3) for _ in range(design.alpha3)])
        self.fuse3 = self._fuse(self.widths[3], width3)
        added = design.reinforcement == "add"
        self.aware2 = self._look(width2, 1 + design.alpha2) if added else None
        self.aware3 = self._look(width3, 1 + design.alpha3) if added else None

    def _fuse(self, joined: int, width: int) -> nn.Module:
        return NormAct(joined, activation=self.design.act) if joined > width else nn.Identity()

    def _look(self, width: int, times: int) -> nn.ModuleList:
        return nn.ModuleList(
            ConvNormAct(3, width, activation=self.design.act) for _ in range(times)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Map ``(B, 3, H, W)`` to level 1 bare and joined (1/2), level 2 (1/4) and level 3 (1/8).

        Each is ``(B, widths[i], …)``.
        """
        half, quarter, eighth = self._images(x)
        plain1 = self.level1(x)
        fused1 = self._join(self.fuse1, [plain1], half)
        down2, level2 = self._level(self.down2(fused1), self.level2, self.aware2, quarter)
        # The authors' order: deep features first at level 2, last at level 3.
        joined = self.design.concatenation
        fused2 = self._join(self.fuse2, [level2, down2] if joined else [level2], quarter)
        down3, level3 = self._level(self.down3(fused2), self.level3, self.aware3, eighth)
        fused3 = self._join(self.fuse3, [down3, level3] if joined else [level3])
        return plain1, fused1, fused2, fused3

    def _images(self, x: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return the image at 1/2, 1/4 and 1/8, as far as it is used."""
        if self.design.reinforcement == "none":
            return None, None, None
        half = self.shrink(x)
        quarter = self.shrink(half)
        return half, quarter, self.shrink(quarter) if self.aware3 is not None else None

    def _join(self, fuse: nn.Module, maps: list[Tensor], image: Tensor | None = None) -> Tensor:
        """Put maps side by side, and the image if that is what is done with it."""
        if image is not None and self.design.reinforcement == "concatenate":
            maps.append(image)
        joined: Tensor = fuse(torch.cat(maps, dim=1) if len(maps) > 1 else maps[0])
        return joined

    @staticmethod
    def _level(
        x: Tensor, units: nn.Sequential, aware: nn.ModuleList | None, image: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return what goes into the repeated units, and what leaves them."""
        if aware is None:
            return x, units(x)
        first, *others = aware
        x = begun = x + first(image)
        for unit, look in zip(units, others, strict=True):
            x = unit(x) + look(image)
        return begun, x


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
    conv_norm_pairs = (("project3", "norm3"), ("up2", "fuse2"))

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

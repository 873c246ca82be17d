"""ESPNet and its encoder ESPNet-C (Mehta et al., ECCV 2018)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from wsiseg.models.layers.elementary import ESPNET_EPSILON, ConvNormAct, Halve, NormAct
from wsiseg.models.layers.esp import DILATIONS, ESP
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = "Mehta et al., ESPNet: Efficient Spatial Pyramid of Dilated Convolutions, ECCV 2018"


class _Encoder(nn.Module):
    """The three levels of ESPNet-C without a classifier: 256 channels at 1/8."""

    def __init__(self, alpha2: int, alpha3: int) -> None:
        super().__init__()
        if alpha2 < 1 or alpha3 < 1:
            msg = f"alpha2 and alpha3 must be at least 1, got {alpha2} and {alpha3}"
            raise ValueError(msg)
        self.shrink = Halve(3)
        self.level1 = ConvNormAct(3, 16, stride=2)
        self.fuse1 = NormAct(16 + 3)
        self.down2 = ESP(16 + 3, 64, stride=2, residual=False)
        self.level2 = nn.Sequential(*[ESP(64, 64) for _ in range(alpha2)])
        self.fuse2 = NormAct(64 + 64 + 3)
        self.down3 = ESP(64 + 64 + 3, 128, stride=2, residual=False)
        self.level3 = nn.Sequential(*[ESP(128, 128) for _ in range(alpha3)])
        self.fuse3 = NormAct(128 + 128)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return level 1 bare and reinforced (1/2), level 2 (1/4) and level 3 (1/8)."""
        half = self.shrink(x)
        quarter = self.shrink(half)
        plain1 = self.level1(x)
        fused1 = self.fuse1(torch.cat([plain1, half], dim=1))
        down2 = self.down2(fused1)
        fused2 = self.fuse2(torch.cat([self.level2(down2), down2, quarter], dim=1))
        down3 = self.down3(fused2)
        # The authors' order: deep features first at level 2, last at level 3.
        fused3 = self.fuse3(torch.cat([down3, self.level3(down3)], dim=1))
        return plain1, fused1, fused2, fused3


@register("espnet-c", family="ESPNet", paper=PAPER)
class ESPNetC(SegmentationNetwork):
    """ESPNet-C: the encoder with a classifier, logits at 1/8.

    Parameters
    ----------
    classes : int
        1 to 255.
    alpha2, alpha3 : int
        ESP modules at levels 2 and 3, at least 1 each (paper: α₂ = 2, α₃ = 3, 5 or 8).
    """

    input_multiple = 8
    output_stride = 8

    def __init__(self, classes: int, *, alpha2: int = 2, alpha3: int = 8) -> None:
        super().__init__(classes)
        self.encoder = _Encoder(alpha2, alpha3)
        self.classifier = nn.Conv2d(256, classes, 1, bias=False)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.classifier(self.encoder(x)[-1])
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits at 1/8, where the paper trains them (§4.1)."""
        return (self.coarse(x),)


@register("espnet", family="ESPNet", paper=PAPER)
class ESPNet(SegmentationNetwork):
    """ESPNet: ESPNet-C with a light decoder, logits at full resolution.

    The authors' decoder works in as many channels as there are classes, and its ESP module needs
    five.  With fewer classes this one keeps five channels up to the last deconvolution; from five
    classes on it is theirs, bit for bit, unless `width` asks for another one.

    Parameters
    ----------
    classes : int
        1 to 255.
    alpha2, alpha3 : int
        ESP modules at levels 2 and 3, at least 1 each.
    skip : {"test", "train"}
        What the decoder takes from level 1: its 16 channels alone (the authors' ``test`` code and
        their Cityscapes weights) or with the 3 of the shrunken image (their ``train`` code and
        their CamVid weights).
    width : int
        Channels of the decoder, at least 5; 0 for as many as there are classes.  With that of a
        trained network, one of other classes shares all its layers but the last.
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
        skip: Literal["test", "train"] = "test",
        width: int = 0,
    ) -> None:
        super().__init__(classes)
        if width and width < len(DILATIONS):
            msg = f"width must be 0 or at least {len(DILATIONS)}, got {width}"
            raise ValueError(msg)
        width = width or max(classes, len(DILATIONS))
        self.skip = skip
        self.shared_arguments = {"width": width}
        self.encoder = _Encoder(alpha2, alpha3)
        self.project3 = nn.Conv2d(256, width, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(width, eps=ESPNET_EPSILON)
        self.up3 = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        self.project2 = nn.Conv2d(131, width, 1, bias=False)
        self.merge2 = nn.Sequential(NormAct(2 * width), ESP(2 * width, width, residual=False))
        self.up2 = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        self.fuse2 = NormAct(width)
        self.merge1 = ConvNormAct(width + (16 if skip == "test" else 19), width)
        self.up1 = nn.ConvTranspose2d(width, classes, 2, stride=2, bias=False)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H, W)``."""
        plain1, fused1, fused2, fused3 = self.encoder(x)
        up3 = self.up3(self.norm3(self.project3(fused3)))
        merged2 = self.merge2(torch.cat([self.project2(fused2), up3], dim=1))
        up2 = self.fuse2(self.up2(merged2))
        skipped = plain1 if self.skip == "test" else fused1
        logits: Tensor = self.up1(self.merge1(torch.cat([up2, skipped], dim=1)))
        return logits

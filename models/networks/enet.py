"""ENet (Paszke et al., 2016)."""

from __future__ import annotations

from torch import Tensor, nn

from wsiseg.models.layers.enet import (
    Activation,
    Bottleneck,
    DownsamplingBottleneck,
    Form,
    InitialBlock,
    UpsamplingBottleneck,
)
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Paszke et al., ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation, "
    "2016"
)


class _Encoder(nn.Module):
    """The initial block and stages 1 to 3: 128 channels at 1/8."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        older = form == "camvid"
        slopes = {channels: channels if older else 1 for channels in (16, 64, 128)}
        self.initial = InitialBlock(16, slopes[16])
        self.down1 = DownsamplingBottleneck(16, 64, 0.01, form)
        self.stage1 = nn.Sequential(*[Bottleneck(64, "prelu", 0.01, slopes[64]) for _ in range(4)])
        self.down2 = DownsamplingBottleneck(64, 128, 0.1, form)
        self.stage2 = self._stage(slopes[128])
        self.stage3 = self._stage(slopes[128])

    @staticmethod
    def _stage(slopes: int) -> nn.Sequential:
        """Return the eight bottlenecks of stages 2 and 3 (paper, table 1)."""
        blocks: list[nn.Module] = []
        for first, second in ((2, 4), (8, 16)):
            blocks += [
                Bottleneck(128, "prelu", 0.1, slopes),
                Bottleneck(128, "prelu", 0.1, slopes, dilation=first),
                Bottleneck(128, "prelu", 0.1, slopes, kind="asymmetric"),
                Bottleneck(128, "prelu", 0.1, slopes, dilation=second),
            ]
        return nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the features at 1/8 and the places of the maxima at 1/4 and 1/8."""
        quarter, places1 = self.down1(self.initial(x))
        eighth, places2 = self.down2(self.stage1(quarter))
        return self.stage3(self.stage2(eighth)), places1, places2


@register("enet", family="ENet", paper=PAPER)
class ENet(SegmentationNetwork):
    """ENet: a large encoder, a small decoder that unpools to the encoder's maxima.

    As in the program that it is compared with (davidtvs), PReLUs have one slope where the paper
    gives one to each channel, all stages are trained at once where the paper trains the encoder
    first, and sizes that are no multiple of 8 are padded where that program reduces them.

    Parameters
    ----------
    classes : int
        1 to 255.
    form : {"current", "camvid"}
        The program of today, with ReLUs in the decoder and 2×2 deconvolutions in it; or the older
        one that the published CamVid weights need, with PReLUs everywhere, the last of each block
        with a slope per channel, 3×3 deconvolutions, and 3×3 pooling in the encoder's bottlenecks.
    """

    input_multiple = 8

    def __init__(self, classes: int, *, form: Form = "current") -> None:
        super().__init__(classes)
        self.form = form
        older = form == "camvid"
        act: Activation = "prelu" if older else "relu"
        self.encoder = _Encoder(form)
        self.up4 = UpsamplingBottleneck(128, 64, 0.1, form)
        self.stage4 = nn.Sequential(
            *[Bottleneck(64, act, 0.1, 64 if older else 1) for _ in range(2)]
        )
        self.up5 = UpsamplingBottleneck(64, 16, 0.1, form)
        self.stage5 = Bottleneck(16, act, 0.1, 16 if older else 1)
        self.classifier = nn.ConvTranspose2d(
            16, classes, 3, stride=2, padding=1, output_padding=1, bias=False
        )

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H, W)``."""
        features, places1, places2 = self.encoder(x)
        quarter = self.stage4(self.up4(features, places2))
        half = self.stage5(self.up5(quarter, places1))
        logits: Tensor = self.classifier(half)
        return logits

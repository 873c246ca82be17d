"""ENet (Paszke et al., 2016)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import BatchNorm
from wsiseg.models.layers.max_unpooling import Window, max_pool, max_unpool
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Paszke et al., ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation, "
    "2016"
)


Activation = Literal["prelu", "relu", "none"]
Kind = Literal["regular", "asymmetric"]
Form = Literal["current", "camvid"]


def pooling_window(form: Form) -> Window:
    """Return the edge of the windows whose maxima the decoder goes back to."""
    return 3 if form == "camvid" else 2


def activation(kind: Activation, channels: int = 1) -> nn.Module:
    """Return an activation module.

    Parameters
    ----------
    kind : {"prelu", "relu", "none"}
        Which.
    channels : int
        Slopes of a PReLU; one for all channels if left out.
    """
    if kind == "prelu":
        return nn.PReLU(channels)
    return nn.ReLU() if kind == "relu" else nn.Identity()


def convolve(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int],
    act: Activation,
    *,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Sequential:
    """Return a convolution without bias, batch norm and activation.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    kernel : int or tuple of int
        Edge, or ``(height, width)``; odd ones keep the size.
    act : {"prelu", "relu", "none"}
        Activation, with one slope.
    stride, dilation : int
        Of the convolution.
    """
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = tuple(side // 2 * dilation if side % 2 else 0 for side in sides)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, sides, stride, (padding[0], padding[1]), dilation, bias=False),
        BatchNorm(outputs),
        activation(act),
    )


class InitialBlock(nn.Module):
    """A strided 3×3 convolution beside max-pooling, then batch norm and PReLU (figure 2a).

    Parameters
    ----------
    outputs : int
        Channels out, three of them the picture's.
    slopes : int
        Of the PReLU: 1, or one for each of the channels out.
    """

    def __init__(self, outputs: int, slopes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, outputs - 3, 3, stride=2, padding=1, bias=False)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.norm = BatchNorm(outputs)
        self.act = nn.PReLU(slopes)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, outputs, H / 2, W / 2)``."""
        out: Tensor = self.act(self.norm(torch.cat([self.conv(x), self.pool(x)], dim=1)))
        return out


class Bottleneck(nn.Module):
    """Reduce to a quarter of the channels, convolve, expand, drop, add to the input (figure 2b).

    Parameters
    ----------
    channels : int
        Channels in and out.
    act : {"prelu", "relu"}
        Everywhere in the block.
    dropout : float
        Probability that a channel of the branch is dropped in training.
    slopes : int
        Of the last PReLU: 1 or `channels`.
    dilation : int
        Of the 3×3 convolution.
    kind : {"regular", "asymmetric"}
        3×3, or 5×1 followed by 1×5.
    """

    def __init__(
        self,
        channels: int,
        act: Activation,
        dropout: float,
        slopes: int = 1,
        *,
        dilation: int = 1,
        kind: Kind = "regular",
    ) -> None:
        super().__init__()
        inner = channels // 4
        self.reduce = convolve(channels, inner, 1, act)
        self.convolve = (
            convolve(inner, inner, 3, act, dilation=dilation)
            if kind == "regular"
            else nn.Sequential(
                *convolve(inner, inner, (5, 1), act), *convolve(inner, inner, (1, 5), act)
            )
        )
        self.expand = convolve(inner, channels, 1, act)
        self.dropout = nn.Dropout2d(dropout)
        self.act = activation(act, slopes)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        branch = self.dropout(self.expand(self.convolve(self.reduce(x))))
        out: Tensor = self.act(x + branch)
        return out


class DownsamplingBottleneck(nn.Module):
    """A strided bottleneck beside max-pooling whose places the decoder needs.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out; the pooled ones are padded with zeros.
    dropout : float
        Probability that a channel of the branch is dropped in training.
    form : {"current", "camvid"}
        See :class:`~wsiseg.models.networks.enet.ENet`.
    """

    def __init__(self, inputs: int, outputs: int, dropout: float, form: Form) -> None:
        super().__init__()
        inner = inputs // 4
        self.window = pooling_window(form)
        self.padding = outputs - inputs
        self.reduce = convolve(inputs, inner, 2, "prelu", stride=2)
        self.convolve = convolve(inner, inner, 3, "prelu")
        self.expand = convolve(inner, outputs, 1, "prelu")
        self.dropout = nn.Dropout2d(dropout)
        self.act = nn.PReLU(outputs if form == "camvid" else 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / 2, W / 2)``, and tell the places."""
        pooled, places = max_pool(x, self.window)
        branch = self.dropout(self.expand(self.convolve(self.reduce(x))))
        return self.act(F.pad(pooled, (0, 0, 0, 0, 0, self.padding)) + branch), places


class UpsamplingBottleneck(nn.Module):
    """A bottleneck around a deconvolution beside unpooling to the places of the encoder.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    dropout : float
        Probability that a channel of the branch is dropped in training.
    form : {"current", "camvid"}
        See :class:`~wsiseg.models.networks.enet.ENet`.
    """

    def __init__(self, inputs: int, outputs: int, dropout: float, form: Form) -> None:
        super().__init__()
        inner = inputs // 4
        self.window = pooling_window(form)
        older = form == "camvid"
        act: Activation = "prelu" if older else "relu"
        self.project = convolve(inputs, outputs, 1, "none")
        self.reduce = convolve(inputs, inner, 1, act)
        up = (
            nn.ConvTranspose2d(inner, inner, 3, 2, padding=1, output_padding=1, bias=False)
            if older
            else nn.ConvTranspose2d(inner, inner, 2, 2, bias=False)
        )
        self.up = nn.Sequential(up, BatchNorm(inner), activation(act))
        self.expand = convolve(inner, outputs, 1, "prelu" if older else "none")
        self.dropout = nn.Dropout2d(dropout)
        self.act = activation(act, outputs if older else 1)

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """Double the map's size.

        Parameters
        ----------
        x : Tensor
            ``(B, inputs, H, W)``.
        places : Tensor
            ``(B, outputs, H, W)``: the places of the maxima, as :func:`max_pool` returns them.

        Returns
        -------
        Tensor
            ``(B, outputs, 2 H, 2 W)``.
        """
        branch = self.dropout(self.expand(self.up(self.reduce(x))))
        main = max_unpool(self.project(x), places, self.window)
        out: Tensor = self.act(main + branch)
        return out


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

"""Y-Net: tissue labels, and a diagnosis beside them (Mehta et al., MICCAI 2018)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.adaptive_pooling import adaptive_avg_pool
from wsiseg.models.layers.convolutions import ConvNorm, ConvNormAct, NormAct, relu
from wsiseg.models.layers.esp import ESP
from wsiseg.models.layers.interpolation import scale
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Mehta et al., Y-Net: Joint Segmentation and Classification for Diagnosis of Breast Biopsy "
    "Images, MICCAI 2018"
)

BRANCHES = 4
"""Branches of Y-Net's pyramids."""

Unit = Literal["C1", "D1"]


SCALES = ((5, 6), (2, 3), (1, 2), (3, 8))
"""Sizes of the pooled maps, as fractions of the map's."""


class ResampledPyramid(nn.Module):
    """Pool a map to four sizes, project and enlarge each, put all behind the map (section 3.1).

    Parameters
    ----------
    inputs, width : int
        Channels in, and those of each branch.
    align_corners : bool
        How the branches are enlarged.
    """

    def __init__(self, inputs: int, width: int, *, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.branches = nn.ModuleList(
            ConvNormAct(inputs, width, kernel=1, activation=relu) for _ in SCALES
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, inputs + 4 width, H, W)``."""
        size = x.shape[2:]
        seen = [x]
        for branch, (numerator, denominator) in zip(self.branches, SCALES, strict=True):
            height, width = (_scale(length, numerator, denominator) for length in size)
            pooled = branch(adaptive_avg_pool(x, (height, width)))
            seen.append(
                F.interpolate(pooled, size=size, mode="bilinear", align_corners=self.align_corners)
            )
        return torch.cat(seen, dim=1)


def _scale(length: int | Tensor, numerator: int, denominator: int) -> int:
    """Return a scaled length to the nearest pixel, but no less than one."""
    scaled = (length * numerator + denominator // 2) // denominator
    if isinstance(scaled, Tensor):
        # While tracing, lengths are tensors; a comparison would be baked into the graph.
        return scaled.clamp(min=1)  # type: ignore[return-value]
    return max(scaled, 1)


class _Pyramid(ESP):
    """Y-Net's ESP: four branches, a 3×3 reduction and ReLU.

    The authors' joint network has a fifth branch everywhere (`spare`, dilation 16), which nothing
    uses; it counts as parameters and never gets a gradient.
    """

    def __init__(self, channels: int, *, spare: bool) -> None:
        super().__init__(channels, channels, branches=BRANCHES, kernel=3, activation=relu)
        width = channels // BRANCHES
        self.spare = (
            nn.Conv2d(width, width, 3, padding=16, dilation=16, bias=False) if spare else None
        )


class _Residual(nn.Module):
    """Two 3×3 convolutions around a residual connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNormAct(channels, channels, activation=relu)
        self.second = ConvNorm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        return F.relu(x + self.second(self.first(x)))


class _Level(nn.Module):
    """Halve the map, transform it, and keep both: twice `width` channels."""

    def __init__(self, inputs: int, width: int, depth: int, unit: Unit, *, spare: bool) -> None:
        super().__init__()
        self.down = ConvNormAct(inputs, width, stride=2, activation=relu)
        self.units = nn.Sequential(
            *[
                _Pyramid(width, spare=spare) if unit == "C1" else _Residual(width)
                for _ in range(depth)
            ]
        )
        self.fuse = NormAct(2 * width, activation=relu)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, 2 width, H / 2, W / 2)``, rounded up."""
        halved = self.down(x)
        out: Tensor = self.fuse(torch.cat([halved, self.units(halved)], dim=1))
        return out


class _Encoder(nn.Module):
    """Three levels: 16 channels at 1/2, 256 at 1/4 and 512 at 1/8."""

    def __init__(self, unit: Unit, *, spare: bool) -> None:
        super().__init__()
        self.level1 = ConvNormAct(3, 16, stride=2, kernel=7, activation=relu)
        self.level2 = _Level(16, 128, 2, unit, spare=spare)
        self.level3 = _Level(256, 256, 5, unit, spare=spare)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the features of the three levels."""
        level1 = self.level1(x)
        level2 = self.level2(level1)
        return level1, level2, self.level3(level2)


class _Decoder(nn.Module):
    """A pooling pyramid and convolutions per level, what is coarser put beside what is finer."""

    def __init__(
        self, classes: int, width: int, *, align_corners: bool, coarse_first: bool
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.coarse_first = coarse_first
        self.pyramid3 = ResampledPyramid(512, 128, align_corners=align_corners)
        self.merge3 = nn.Sequential(
            ConvNormAct(512 + 4 * 128, 128, kernel=1, activation=relu),
            ConvNormAct(128, width, activation=relu),
            ConvNormAct(width, width, kernel=1, activation=relu),
        )
        self.pyramid2 = ResampledPyramid(width + 256, 64, align_corners=align_corners)
        self.merge2 = nn.Sequential(
            ConvNormAct(width + 256 + 4 * 64, width, activation=relu),
            ConvNormAct(width, width, kernel=1, activation=relu),
        )
        self.pyramid1 = ResampledPyramid(16 + width, width, align_corners=align_corners)
        self.merge1 = ConvNormAct(16 + 5 * width, width, activation=relu)
        self.classifier = nn.Conv2d(width, classes, 7, padding=3, bias=False)

    def forward(self, level1: Tensor, level2: Tensor, level3: Tensor) -> Tensor:
        """Return the logits at full size."""
        coarse3 = self._double(self.merge3(self.pyramid3(level3)))
        joined2 = torch.cat([coarse3, level2], dim=1)
        coarse2 = self._double(self.merge2(self.pyramid2(joined2)))
        parts = [coarse2, level1] if self.coarse_first else [level1, coarse2]
        merged1 = self.merge1(self.pyramid1(torch.cat(parts, dim=1)))
        return self._double(self.classifier(merged1))

    def _double(self, x: Tensor) -> Tensor:
        return scale(x, 2.0, aligned=self.align_corners)


class _Diagnosis(nn.Module):
    """Two more levels, the average of each channel over the picture, and two linear layers."""

    def __init__(self, diagnoses: int, unit: Unit) -> None:
        super().__init__()
        self.level4 = _Level(512, 128, 2, unit, spare=True)
        self.level5 = _Level(256, 64, 2, unit, spare=True)
        self.reduce = nn.Linear(128, 64)
        self.classifier = nn.Linear(64, diagnoses)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, 512, H, W)`` to ``(B, diagnoses)``."""
        pooled = self.level5(self.level4(x)).mean((2, 3))
        # The authors have no activation between the two.
        logits: Tensor = self.classifier(self.reduce(pooled))
        return logits


@register("ynet", family="ESPNet", paper=PAPER)
class YNet(SegmentationNetwork):
    """Y-Net's segmentation network, which the joint one is trained from (paper, section 3).

    Its pyramids pool maps to 5/6, 2/3, 1/2 and 3/8 of their size.  The authors wrote the sizes
    down as numbers of pixels, so that their network takes pictures of 384×384 only; here they
    follow the picture's size, to the nearest pixel, and at 384×384 they are theirs.  The authors'
    code knows 8 classes only, this one any number; with 8 it is theirs, bit for bit.  Their batch
    norms keep 95 % of the last batch (a momentum of 0.95), ours PyTorch's usual tenth.

    Parameters
    ----------
    classes : int
        1 to 255.
    unit : {"C1", "D1"}
        What the encoder is built from: efficient spatial pyramids, or two 3×3 convolutions around
        a residual connection.  The names are those of the authors' code; the paper calls the
        networks ESP-PSP and RCB-PSP.
    align_corners : bool
        How maps are enlarged: true as PyTorch 0.2 did when the authors trained theirs, false as
        their code does today.
    width : int
        Channels of the decoder's finer levels; 0 for as many as there are classes, as the authors
        have it.  With that of a trained network, one of other classes shares all its layers but
        the last.
    """

    input_multiple = 8
    joint = False
    """Whether a diagnosis is learnt as well; the authors' two networks differ in details."""

    def __init__(
        self,
        classes: int,
        *,
        unit: Literal["C1", "D1"] = "C1",
        align_corners: bool = True,
        width: int = 0,
    ) -> None:
        super().__init__(classes)
        if width < 0:
            msg = f"width must be 0 or more, got {width}"
            raise ValueError(msg)
        width = width or classes
        self.shared_arguments = {"width": width}
        self.unit = unit
        self.encoder = _Encoder(unit, spare=self.joint)
        # The authors' D1 puts the coarse maps first, but not within their joint network.
        first = unit == "D1" and not self.joint
        self.decoder = _Decoder(classes, width, align_corners=align_corners, coarse_first=first)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H, W)``."""
        logits: Tensor = self.decoder(*self.encoder(x))
        return logits


@register("ynet-joint", family="ESPNet", paper=PAPER)
class JointYNet(YNet):
    """Y-Net: labels every pixel, and gives a diagnosis for the whole picture.

    As a segmentation network it gives labels; :meth:`diagnose` gives the diagnosis and
    :meth:`label_and_diagnose` both in one pass.  With `unit` C1 all pyramids have a fifth branch
    that nothing uses, as in the authors' code: it counts as parameters and never gets a gradient.

    The authors' unit D1 joins coarse and fine maps in another order than their segmentation
    network of the same name, from whose weights it is meant to start.  Here as well, so that
    either one's published weights would work; the weights of one do not suit the other.

    Parameters
    ----------
    classes : int
        1 to 255.
    diagnoses : int
        How many diagnoses there are, at least 1.
    unit : {"C1", "D1"}
        What the encoder and the diagnosis are built from; see :class:`YNet`.
    align_corners : bool
        How maps are enlarged; see :class:`YNet`.
    width : int
        Channels of the decoder's finer levels; see :class:`YNet`.
    """

    joint = True

    def __init__(
        self,
        classes: int,
        *,
        diagnoses: int = 5,
        unit: Literal["C1", "D1"] = "C1",
        align_corners: bool = True,
        width: int = 0,
    ) -> None:
        super().__init__(classes, unit=unit, align_corners=align_corners, width=width)
        if diagnoses < 1:
            msg = f"diagnoses must be at least 1, got {diagnoses}"
            raise ValueError(msg)
        self.diagnosis = _Diagnosis(diagnoses, unit)

    def diagnose(self, x: Tensor) -> Tensor:
        """Return the logits of the diagnoses.

        Parameters
        ----------
        x : Tensor
            Normalised pixels, float32 ``(B, 3, H, W)`` of any size, padded as for the labels.

        Returns
        -------
        Tensor
            ``(B, diagnoses)``.
        """
        logits: Tensor = self.diagnosis(self.encoder(self._pad(x))[-1])
        return logits

    def all_outputs(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of every pixel and those of the diagnoses."""
        return self.label_and_diagnose(x)

    def label_and_diagnose(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of every pixel and those of the diagnoses from one pass.

        Parameters
        ----------
        x : Tensor
            As :meth:`diagnose` takes it.

        Returns
        -------
        labels : Tensor
            ``(B, classes, H, W)``, the same as calling the network.
        diagnosis : Tensor
            ``(B, diagnoses)``, the same as from :meth:`diagnose`.
        """
        height, width = x.shape[-2:]
        levels = self.encoder(self._pad(x))
        return self.decoder(*levels)[..., :height, :width], self.diagnosis(levels[-1])

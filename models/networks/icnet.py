"""ICNet (Zhao et al., ECCV 2018) in the three forms that are in use."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.adaptive_pooling import adaptive_avg_pool
from wsiseg.models.layers.class_head import ClassHead
from wsiseg.models.layers.convolutions import conv_norm, conv_norm_relu
from wsiseg.models.layers.interpolation import scale
from wsiseg.models.layers.ppm import PPM
from wsiseg.models.layers.resnet import Backbone, ResNet
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Zhao et al., ICNet for Real-Time Semantic Segmentation on High-Resolution Images, ECCV 2018"
)

Form = Literal["authors", "mmseg", "caffe"]
"""Whose ICNet it is; see :class:`ICNet`."""

_STRIDES, _DILATIONS = (1, 2, 1, 1), (1, 1, 2, 4)
_FUSED = 128
_SHARED_BLOCKS = 4
_IMAGENET_CLASSES = 1000


GRIDS = (1, 2, 3, 6)
"""Regions along each axis."""


class SummedPPM(nn.Module):
    """ICNet's pyramid pooling: averages over grids of regions, added where PSPNet concatenates.

    Resizing aligns the corner pixels.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to the same shape."""
        total = x
        for grid in GRIDS:
            pooled = adaptive_avg_pool(x, (grid, grid))
            total = total + F.interpolate(
                pooled, size=x.shape[2:], mode="bilinear", align_corners=True
            )
        return total


class CFF(nn.Module):
    """Cascade feature fusion (§3.3): a smaller picture's map enlarged, added to a larger one's.

    Parameters
    ----------
    low, high : int
        Channels of the smaller and of the larger map.
    outputs : int
        Channels out.
    form : {"authors", "mmseg", "caffe"}
        With ``mmseg``, both maps pass a ReLU before the sum as well, and enlarging does not align
        the corner pixels.  With ``caffe``, training classifies the enlarged map before its
        convolution, as the paper describes, else after it.

    Attributes
    ----------
    seen : int
        Channels of the map that training classifies.
    """

    def __init__(self, low: int, high: int, outputs: int, form: Form) -> None:
        super().__init__()
        self._form = form
        convolve = conv_norm_relu if form == "mmseg" else conv_norm
        self.low = convolve(low, outputs, dilation=2)
        self.high = convolve(high, outputs, kernel=1)
        self.seen = low if form == "caffe" else outputs

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fused map, and the map that the auxiliary classifier of training gets.

        Parameters
        ----------
        low, high : Tensor
            ``(B, low, h, w)`` of the smaller picture and ``(B, high, H, W)`` of the larger one.

        Returns
        -------
        tuple of Tensor
            ``(B, outputs, H, W)`` and ``(B, seen, H, W)``.
        """
        enlarged = F.interpolate(
            low, size=high.shape[2:], mode="bilinear", align_corners=self._form != "mmseg"
        )
        convolved = self.low(enlarged)
        fused = F.relu(convolved + self.high(high))
        return fused, enlarged if self._form == "caffe" else convolved


class _SeparateBranches(nn.Module):
    """The residual network on the picture at 1/2, two stages, and all of it at 1/4."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.resnet = ResNet(
            backbone, stem=(64, 64, 128), strides=_STRIDES, dilations=_DILATIONS, gradual=True
        )
        self.pool = SummedPPM()
        self.channels = (self.resnet.channels[3], self.resnet.channels[1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps at 1/32 and 1/16."""
        middle = self.resnet(scale(x, 0.5, aligned=True), stages=2)[-1]
        low = self.resnet(scale(x, 0.25, aligned=True))[-1]
        return self.pool(low), middle


class _SharedBranches(nn.Module):
    """The residual network on the picture at 1/2, its map shrunk after the second stage."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.resnet = ResNet(
            backbone,
            stem=(32, 32, 64),
            strides=_STRIDES,
            dilations=_DILATIONS,
            gradual=True,
            ceil=True,
        )
        _, middle, _, low = self.resnet.channels
        width = 512
        self.pool = PPM(low, width)
        self.merge = conv_norm_relu(low + width * len(self.pool.grids), width)
        self.project_low = conv_norm_relu(width, 256, kernel=1)
        self.project_middle = conv_norm_relu(middle, 256, kernel=1)
        self.channels = (256, 256)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps at 1/32 and 1/16, a row and a column larger than that."""
        middle = self.resnet(scale(x, 0.5, aligned=False), stages=2)[-1]
        low = scale(middle, 0.5, aligned=False)
        for stage in self.resnet.stages[2:]:
            low = stage(low)
        low = self.merge(self.pool(low))
        return self.project_low(low), self.project_middle(middle)


class _NarrowBranches(nn.Module):
    """A residual network of half the width, its map shrunk after the second stage's first block."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet(
            "resnet50",
            stem=(32, 32, 64),
            width=32,
            strides=_STRIDES,
            dilations=_DILATIONS,
            early=True,
        )
        self.pool = SummedPPM()
        self.project_low = conv_norm_relu(self.resnet.channels[3], 256, kernel=1)
        self.channels = (256, self.resnet.channels[1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps at 1/32 and 1/16."""
        blocks = [block for stage in self.resnet.stages for block in stage.children()]
        middle = self.resnet.stem(scale(x, 0.5, aligned=True))
        for block in blocks[:_SHARED_BLOCKS]:
            middle = block(middle)
        low = scale(middle, 0.5, aligned=True)
        for block in blocks[_SHARED_BLOCKS:]:
            low = block(low)
        return self.project_low(self.pool(low)), middle


class _Encoder(nn.Module):
    """Three convolutions on the whole picture, deep ones on smaller copies of it."""

    def __init__(self, form: Form, backbone: Backbone) -> None:
        super().__init__()
        self.light = nn.Sequential(
            conv_norm_relu(3, 32, 2), conv_norm_relu(32, 32, 2), conv_norm_relu(32, 64, 2)
        )
        self.deep: _SeparateBranches | _SharedBranches | _NarrowBranches
        if form == "authors":
            self.deep = _SeparateBranches(backbone)
        elif form == "mmseg":
            self.deep = _SharedBranches(backbone)
        else:
            self.deep = _NarrowBranches()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the maps at 1/32, 1/16 and 1/8."""
        low, middle = self.deep(x)
        return low, middle, self.light(x)


@register("icnet", family="ICNet", paper=PAPER)
class ICNet(SegmentationNetwork):
    """ICNet: a cascade of pictures, the smaller the deeper they are looked into.

    Training compares the logits at 1/4, 1/8 and 1/16 with labels reduced to each, weighted 1, 0.4
    and 0.4 (§3.4).

    Parameters
    ----------
    classes : int
        1 to 255.
    backbone : {"resnet18", "resnet50", "resnet101"}
        The residual network.
    form : {"authors", "mmseg", "caffe"}
        ``authors`` is the program that most know as ICNet in PyTorch (liminn's): the half and the
        quarter picture go through the same residual network of full width, pooled regions are
        added, resizing aligns corners, and the classifiers have no bias; 18 layers are not among
        its choices.  It keeps the residual network's ImageNet classifier, which nothing uses: a
        dead weight that counts as parameters, never gets a gradient, and is named in `auxiliary`.
        Operations are 28.5 billion for 512×1024 with 50 layers and 19 classes.  Counts of that
        program say 73.6: it runs all four stages on the half picture and throws the last two
        away, 45.1 billion, and computes the classifiers at 1/8 and 1/16 in inference as well.
        ``mmseg`` is that of MMSegmentation: the quarter branch goes on from the half one, pooled
        regions stand side by side, logits are at 1/8 instead of 1/4.
        ``caffe`` is what the paper's authors published, with 50 layers of half the width.  Theirs
        takes pictures of 1025×2049 only, and so its regions are windows of fixed sizes; here they
        divide any map evenly.
    """

    input_multiple = 32
    output_stride = 4

    def __init__(
        self, classes: int, *, backbone: Backbone = "resnet50", form: Form = "authors"
    ) -> None:
        super().__init__(classes)
        if form == "caffe" and backbone != "resnet50":
            msg = f"the form caffe has the backbone resnet50, got {backbone}"
            raise ValueError(msg)
        self.form = form
        self.backbone = backbone
        self.aligned = form != "mmseg"
        self.encoder: _Encoder = _Encoder(form, backbone)
        low, middle = self.encoder.deep.channels
        self.fuse16 = CFF(low, middle, _FUSED, form)
        self.fuse8 = CFF(_FUSED, 64, _FUSED, form)
        self.auxiliary = ("classifier8", "classifier16")
        if form == "mmseg":
            self.output_stride = 8
        widths = (_FUSED, self.fuse8.seen, self.fuse16.seen)
        self.classifier, self.classifier8, self.classifier16 = (
            ClassHead(width, _FUSED, classes)
            if form == "mmseg"
            else nn.Conv2d(width, classes, 1, bias=form == "caffe")
            for width in widths
        )
        if form == "authors":
            self.imagenet_classifier = nn.Linear(low, _IMAGENET_CLASSES)
            self.auxiliary += ("imagenet_classifier",)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 4, W / 4)``, with mmseg to 1/8."""
        return self._classify(self._fuse(x)[0])

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits at 1/4 (mmseg: 1/8), and those of both fusions, at 1/8 and 1/16."""
        fused, seen8, seen16 = self._fuse(self._pad(x))
        return (
            self._crop(self._classify(fused), x, self.output_stride),
            self._crop(self.classifier8(seen8), x, 8),
            self._crop(self.classifier16(seen16), x, 16),
        )

    def _fuse(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the fused map at 1/8, and what training classifies at 1/8 and 1/16."""
        low, middle, light = self.encoder(x)
        fused16, seen16 = self.fuse16(low, middle)
        fused8, seen8 = self.fuse8(fused16, light)
        return fused8, seen8, seen16

    def _classify(self, fused: Tensor) -> Tensor:
        if self.form != "mmseg":
            fused = scale(fused, 2.0, aligned=True)
        logits: Tensor = self.classifier(fused)
        return logits

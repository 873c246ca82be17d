"""ResNet (He et al., CVPR 2016, table 1) as the encoder of segmentation networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import conv_norm, conv_norm_relu

Backbone = Literal["resnet18", "resnet50", "resnet101"]

_BLOCKS: dict[Backbone, tuple[int, int, int, int]] = {
    "resnet18": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}


class Residual(nn.Module):
    """Convolutions whose result is added to what went in, and ReLU.

    Parameters
    ----------
    convs : Sequential
        Without an activation at the end.
    shortcut : Module
        Brings what went in to the same shape.
    """

    def __init__(self, convs: nn.Sequential, shortcut: nn.Module) -> None:
        super().__init__()
        self.convs = convs
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        return F.relu(self.convs(x) + self.shortcut(x))


class ResNet(nn.Module):
    """The four stages of a residual network, without its classifier.

    Parameters
    ----------
    backbone : {"resnet18", "resnet50", "resnet101"}
        Which one: two 3×3 convolutions to a block in the first, bottlenecks in the others.
    stem : sequence of int
        Channels of the 3×3 convolutions at the beginning, of which the first shrinks, as in
        PSPNet; or of a single one of 7×7.
    width : int
        Channels of the first stage's inner convolutions; each stage doubles them.
    strides, dilations : sequence of int
        Of each stage.
    gradual : bool
        The first block of a dilated stage has half of its dilation, as in MMSegmentation.
    early : bool
        Bottlenecks shrink in their first convolution, as in Caffe, and not in the 3×3 one.
    ceil : bool
        The pooling of the stem rounds up, so that even maps keep one more row and column.

    Attributes
    ----------
    channels : tuple of int
        Of the map that each stage gives.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        stem: Sequence[int] = (64,),
        width: int = 64,
        strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1),
        gradual: bool = False,
        early: bool = False,
        ceil: bool = False,
    ) -> None:
        super().__init__()
        self._bottlenecks = backbone != "resnet18"
        self._early = early
        widths = [width * 2**stage for stage in range(4)]
        self.channels = tuple(4 * w if self._bottlenecks else w for w in widths)
        kernel = 7 if len(stem) == 1 else 3
        self.stem = nn.Sequential(
            *[
                conv_norm_relu(inputs, outputs, 1 if index else 2, kernel=kernel)
                for index, (inputs, outputs) in enumerate(zip((3, *stem), stem, strict=False))
            ],
            nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=ceil),
        )
        self.stages = nn.ModuleList()
        inputs = stem[-1]
        for stage, blocks in enumerate(_BLOCKS[backbone]):
            outputs, dilation = self.channels[stage], dilations[stage]
            first = max(1, dilation // 2) if gradual else dilation
            self.stages.append(
                nn.Sequential(
                    self._block(inputs, widths[stage], outputs, strides[stage], first),
                    *[
                        self._block(outputs, widths[stage], outputs, 1, dilation)
                        for _ in range(blocks - 1)
                    ],
                )
            )
            inputs = outputs

    def _block(self, inputs: int, width: int, outputs: int, stride: int, dilation: int) -> Residual:
        if self._bottlenecks:
            first, second = (stride, 1) if self._early else (1, stride)
            convs = nn.Sequential(
                conv_norm_relu(inputs, width, first, kernel=1),
                conv_norm_relu(width, width, second, dilation=dilation),
                conv_norm(width, outputs, kernel=1),
            )
        else:
            convs = nn.Sequential(
                conv_norm_relu(inputs, width, stride, dilation=dilation), conv_norm(width, outputs)
            )
        same = stride == 1 and inputs == outputs
        shortcut = nn.Identity() if same else conv_norm(inputs, outputs, stride, kernel=1)
        return Residual(convs, shortcut)

    def forward(self, x: Tensor, stages: int = 4) -> tuple[Tensor, ...]:
        """Return the maps of the first stages, the largest first.

        Parameters
        ----------
        x : Tensor
            ``(B, 3, H, W)``.
        stages : int
            How many of the four are run.
        """
        x = self.stem(x)
        maps = []
        for stage in self.stages[:stages]:
            x = stage(x)
            maps.append(x)
        return tuple(maps)

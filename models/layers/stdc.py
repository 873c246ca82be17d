"""The short-term dense concatenate module (Fan et al., CVPR 2021, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import conv_norm, conv_norm_relu


class STDCModule(nn.Module):
    """The STDC module: a row of convolutions, each half as wide as the last, and all their results.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    stride : {1, 2}
        With 2, a depth-wise convolution halves the map after the first one, whose own result is
        averaged (figure 3c).
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        half, quarter, eighth = outputs // 2, outputs // 4, outputs // 8
        self.first = conv_norm_relu(inputs, half, kernel=1)
        self.skip: nn.Module = nn.Identity()
        self.down: nn.Module = nn.Identity()
        if stride == 2:
            self.skip = nn.AvgPool2d(3, stride=2, padding=1)
            self.down = conv_norm(half, half, 2, groups=half)
        self.rest = nn.ModuleList(
            [
                conv_norm_relu(half, quarter),
                conv_norm_relu(quarter, eighth),
                conv_norm_relu(eighth, eighth),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        first = self.first(x)
        found, last = [self.skip(first)], self.down(first)
        for conv in self.rest:
            last = conv(last)
            found.append(last)
        return torch.cat(found, dim=1)


class STDCEncoder(nn.Module):
    """The STDC networks without their classifier: features at 1/8, 1/16 and 1/32.

    Parameters
    ----------
    depths : tuple of int
        Modules in each of the three stages (table 2): 2, 2, 2 for STDC1; 4, 5, 3 for STDC2.
    """

    channels = (256, 512, 1024)

    def __init__(self, depths: tuple[int, int, int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_norm_relu(3, 32, 2), conv_norm_relu(32, 64, 2))
        stages, width = [], 64
        for channels, depth in zip(self.channels, depths, strict=True):
            stages.append(
                nn.Sequential(
                    STDCModule(width, channels, 2),
                    *[STDCModule(channels, channels) for _ in range(depth - 1)],
                )
            )
            width = channels
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return ``(B, 256, H / 8, W / 8)``, 512 channels at 1/16 and 1024 at 1/32."""
        x, found = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


STDC1, STDC2 = (2, 2, 2), (4, 5, 3)
"""The depths of the two networks that were published."""

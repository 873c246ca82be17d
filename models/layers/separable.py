"""Depth-wise separable convolutions and MobileNetV2's inverted residual."""

from __future__ import annotations

from torch import Tensor, nn

from wsiseg.models.layers.plain import conv_norm, conv_norm_relu


def separable_conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return a depth-wise 3×3 convolution without activation and a 1×1 convolution with one."""
    return nn.Sequential(
        conv_norm(inputs, inputs, stride, groups=inputs),
        conv_norm_relu(inputs, outputs, kernel=1),
    )


class InvertedResidual(nn.Module):
    """Widen, convolve depth-wise, narrow without activation (Sandler et al., CVPR 2018, §3.3).

    Parameters
    ----------
    inputs, outputs, stride : int
        Channels in and out; the input is added where it has the output's shape.
    expansion : int
        How many times as wide the middle is.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, expansion: int = 6) -> None:
        super().__init__()
        middle = expansion * inputs
        self.residual = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            conv_norm_relu(inputs, middle, kernel=1),
            conv_norm_relu(middle, middle, stride, groups=middle),
            conv_norm(middle, outputs, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        out: Tensor = self.layers(x)
        return x + out if self.residual else out

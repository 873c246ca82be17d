"""From features to logits: a few convolutions, dropout, and one logit per class."""

from __future__ import annotations

from torch import Tensor, nn

from wsiseg.models.layers.convolutions import conv_norm_relu

DROPOUT = 0.1


class ClassHead(nn.Module):
    """3×3 convolutions and a 1×1 classifier, the fully convolutional head of MMSegmentation.

    Parameters
    ----------
    inputs : int
        Channels in.
    width : int
        Channels between.
    classes : int
        Channels out.
    convs : int
        How many 3×3 convolutions.
    """

    def __init__(self, inputs: int, width: int, classes: int, *, convs: int = 1) -> None:
        super().__init__()
        widths = [inputs, *[width] * convs]
        self.convs = nn.Sequential(
            *[conv_norm_relu(wide, width) for wide in widths[:-1]],
        )
        self.drop = nn.Dropout2d(DROPOUT)
        self.classifier = nn.Conv2d(widths[-1], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, classes, H, W)``."""
        logits: Tensor = self.classifier(self.drop(self.convs(x)))
        return logits

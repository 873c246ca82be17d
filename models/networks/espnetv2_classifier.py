"""ESPNetv2 as a classifier of pictures, which its encoder is trained as first."""

from __future__ import annotations

from torch import Tensor, nn

from wsiseg.models.layers.convolutions import PLAIN_EPSILON, ConvNormAct
from wsiseg.models.layers.eesp import BRANCHES, EESP, NARROW, NARROWEST, StridedEESP
from wsiseg.models.networks.espnetv2 import CHANNELS, ESPNetv2, ESPNetv2Encoder
from wsiseg.models.weights import load_strictly

DEEPEST = {
    0.5: (256, 1024),
    1.0: (512, 1024),
    1.25: (640, 1024),
    1.5: (768, 1024),
    2.0: (1024, 1280),
}
"""Channels of the level at 1/32, and those that the last layer sees, by width."""


class ESPNetv2Classifier(nn.Module):
    """ESPNetv2 as its authors trained it on ImageNet (paper, table 1).

    It labels pictures, not pixels, and so is no registered architecture.  It is here for
    its encoder, which is that of :class:`ESPNetv2` of the same width, tensor by tensor, and which
    :meth:`copy_encoder_to` copies into one.  ``wsiseg models import`` does so with published
    weights: the checkpoint has their encoder, and ``wsiseg train --init`` begins with it.

    Two parts that nothing uses are there because the authors' network has them, and count as
    parameters: the slopes behind the four strided pyramids, and the convolutions for the image in
    the last of these, which never gets to see it.

    Parameters
    ----------
    classes : int
        At least 1; ImageNet has 1000.
    width : float
        Width multiplier s: 0.5, 1.0, 1.25, 1.5 or 2.0.
    """

    def __init__(self, classes: int = 1000, *, width: float = 1.0) -> None:
        super().__init__()
        if classes < 1:
            msg = f"classes must be at least 1, got {classes}"
            raise ValueError(msg)
        if width not in CHANNELS:
            msg = f"width must be one of {', '.join(map(str, CHANNELS))}, got {width}"
            raise ValueError(msg)
        deep, last = DEEPEST[width]
        self.classes = classes
        self.width = width
        self.encoder = ESPNetv2Encoder(CHANNELS[width])
        self.down5 = StridedEESP(CHANNELS[width][-1], deep, NARROW)
        self.level5 = nn.Sequential(*[EESP(deep, deep, NARROWEST) for _ in range(3)])
        self.depthwise = ConvNormAct(deep, deep, groups=deep, epsilon=PLAIN_EPSILON)
        self.widen = ConvNormAct(deep, last, kernel=1, groups=BRANCHES, epsilon=PLAIN_EPSILON)
        self.drop = nn.Dropout(0.2)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes.

        Parameters
        ----------
        x : Tensor
            Normalised pixels, float32 ``(B, 3, H, W)`` of any size.

        Returns
        -------
        Tensor
            ``(B, classes)``.
        """
        sixteenth = self.encoder(x)[-1]
        deepest = self.widen(self.depthwise(self.level5(self.down5(sixteenth))))
        logits: Tensor = self.classifier(self.drop(deepest.mean((2, 3))))
        return logits

    def copy_encoder_to(self, network: ESPNetv2, where: object = None) -> None:
        """Copy the encoder's weights into a segmentation network of the same width.

        Parameters
        ----------
        network : ESPNetv2
            Changed in place; its decoder stays as it is.
        where : object
            The file that the weights are from, for errors.

        Raises
        ------
        WeightsMismatchError
            If its width is another one; then nothing is changed.
        """
        load_strictly(network.encoder, self.encoder.state_dict(), where)

"""A network that tells red from blue: what it says of a slide is known for every pixel."""

import torch
from torch import nn

from wsiseg.classes import LabelClass
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.registry import register

CLASSES = [LabelClass("red", (255, 0, 0)), LabelClass("blue", (0, 0, 255))]


@register("reddish", family="tests", paper="none")
class Reddish(SegmentationNetwork):
    """Tells red from blue, pixel by pixel."""

    input_multiple = 1

    def __init__(self, classes):
        super().__init__(classes)
        self.head = nn.Conv2d(3, classes, 1, bias=False)
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.weight[0, 0] = self.head.weight[1, 2] = 1

    def dense(self, x):
        return self.head(x)


def reddish_checkpoint(mpp=None):
    """Return the network as a checkpoint for slides of a resolution."""
    card = CheckpointCard(
        architecture="reddish",
        classes=tuple(ClassEntry(name=c.name, colour=c.colour) for c in CLASSES),
        mpp=mpp,
        normalisation=Normalisation(mean=(0, 0, 0), std=(1, 1, 1), divide_first=1),
    )
    return Checkpoint(card, Reddish(2))

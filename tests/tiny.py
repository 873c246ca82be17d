"""A network that sees eleven pixels wide, and checkpoints of it."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from wsiseg.classes import LabelClass, numbered_classes
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.registry import register
from wsiseg.segmentation.segmenting import segment

REACH = 8


@register("tiny", family="tests", paper="none")
class Tiny(SegmentationNetwork):
    """Halves, looks around, doubles: in step with its stride like the real ones."""

    input_multiple = 4

    def __init__(self, classes: int, *, width: int = 6) -> None:
        super().__init__(classes)
        self.down = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.look = nn.Conv2d(width, width, 3, padding=1)
        self.up = nn.ConvTranspose2d(width, classes, 2, stride=2)

    def dense(self, x: Tensor) -> Tensor:
        return self.up(torch.relu(self.look(torch.relu(self.down(x)))))


def tiny_checkpoint(classes: int = 5, mpp: float | None = 0.5, seed: int = 0) -> Checkpoint:
    """Return a network of whole numbers, so that no order of sums can change a label."""
    return _checkpoint(numbered_classes(classes), mpp, seed)


def named_checkpoint(names: Sequence[str], mpp: float | None = None, seed: int = 1) -> Checkpoint:
    """Return a network of whole numbers, so that no order of sums can change a label."""
    return _checkpoint([LabelClass(name, (i, i, i)) for i, name in enumerate(names)], mpp, seed)


def _checkpoint(classes: Sequence[LabelClass], mpp: float | None, seed: int) -> Checkpoint:
    card = CheckpointCard(
        architecture="tiny",
        classes=tuple(ClassEntry(name=c.name, colour=c.colour) for c in classes),
        mpp=mpp,
        normalisation=Normalisation(mean=(0, 0, 0), std=(1, 1, 1), divide_first=1),
    )
    network = Tiny(len(classes))
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randint(-1, 2, parameter.shape, generator=random))
    return Checkpoint(card, network)


def segment_tiny(slide: Path, folder: Path, **options: object) -> Path:
    """Segment a slide with such a network, and return the mask."""
    settings = {"runtime": "torch", "tissue": "none", "tile": 256, "halo": REACH, **options}
    return segment(slide, tiny_checkpoint(mpp=None), folder, **settings).mask


def label_whole(checkpoint: Checkpoint, pixels: Tensor) -> Tensor:
    """Label a picture at once, padded with white as a slide is."""
    multiple = checkpoint.network.input_multiple
    height, width = pixels.shape[:2]
    padded = torch.full(
        (-(-height // multiple) * multiple, -(-width // multiple) * multiple, 3), 255
    )
    padded = padded.to(torch.uint8)
    padded[:height, :width] = pixels
    with torch.no_grad():
        logits = checkpoint.network(checkpoint.preprocess(padded[None]))
    return logits.argmax(1)[0, :height, :width].to(torch.uint8)

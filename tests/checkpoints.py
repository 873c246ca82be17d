"""Checkpoints as tests want them."""

import torch

from wsiseg.models import create_model
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.class_sets import BREAST_TISSUE
from wsiseg.models.normalisation import Normalisation

NORMALISATION = Normalisation(
    order="BGR", mean=(1.5, 2.5, 3.5), std=(0.1, 0.2, 0.3), divide_first=2.0, divide_last=3.0
)


def make_card(**changes: object) -> CheckpointCard:
    settings: dict[str, object] = {
        "architecture": "espnet",
        "arguments": {"alpha2": 1, "alpha3": 1, "skip": "train"},
        "classes": tuple(ClassEntry(name=c.name, colour=c.colour) for c in BREAST_TISSUE),
        "mpp": 0.62005,
        "normalisation": NORMALISATION,
        "training": {"data": "Ünïcode", "epochs": 12, "tiles": ["a", "b"]},
        "metrics": {"miou": 0.4321},
    }
    return CheckpointCard(**(settings | changes))


def make_checkpoint(seed: int = 0, **changes: object) -> Checkpoint:
    torch.manual_seed(seed)
    network = create_model("espnet", len(BREAST_TISSUE), alpha2=1, alpha3=1, skip="train")
    return Checkpoint(make_card(**changes), network)

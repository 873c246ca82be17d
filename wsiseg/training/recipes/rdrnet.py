"""How RDRNet was trained on Cityscapes (Yang et al., 2024, section 4.2, and the authors' settings).

Their 120 000 steps of 12 crops are 484 passes through 2975 pictures, in crops of 1024×1024 after
magnification by 0.5 to 2.  For CamVid and PASCAL VOC they went on from those weights with a rate
of 0.001 (`init`, `lr`).  The running statistics of RDRNet's batch norms, which are slower
than usual, are the network's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from wsiseg.training.losses.ohem import OhemCrossEntropy
from wsiseg.training.recipes.recipe import Pixels, Recipe, Stage

CITYSCAPES_WEIGHTS = {
    "road": 0.8373,
    "sidewalk": 0.918,
    "building": 0.866,
    "wall": 1.0345,
    "fence": 1.0166,
    "pole": 0.9969,
    "traffic light": 0.9754,
    "traffic sign": 1.0489,
    "vegetation": 0.8786,
    "terrain": 1.0023,
    "sky": 0.9539,
    "person": 0.9843,
    "rider": 1.1116,
    "car": 0.9037,
    "truck": 1.0865,
    "bus": 1.0955,
    "train": 1.0865,
    "motorcycle": 1.1529,
    "bicycle": 1.0507,
}
"""Those that MMSegmentation has from the authors of OCNet (issue 14 of their repository)."""


def _class_weights(classes: Sequence[str]) -> Tensor | None:
    """Return the weights that were published; for all other data the authors had none either."""
    if set(classes) != CITYSCAPES_WEIGHTS.keys():
        return None
    return torch.tensor([CITYSCAPES_WEIGHTS[name] for name in classes])


def _loss(_pixels: Pixels, classes: Sequence[str]) -> nn.Module:
    return OhemCrossEntropy(_class_weights(classes), threshold=0.9, min_kept=131_072)


def _optimiser(parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
    return SGD(parameters, lr=lr, momentum=0.9, weight_decay=5e-4)


def _factor(epoch: float, epochs: int) -> float:
    return float(max(0.0, 1 - epoch / epochs) ** 0.9)


RDRNET = Recipe(
    name="rdrnet",
    source="Yang et al., 2024: SGD with polynomial decay, the hardest pixels, an auxiliary head",
    stages=(
        Stage(epochs=484, batch=12, lr=0.01, optimiser=_optimiser, factor=_factor, loss=_loss),
    ),
    tile=1024,
    scenes="photometric",
)

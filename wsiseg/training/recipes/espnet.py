"""How ESPNet was trained (Mehta et al., ECCV 2018, §4.1, and the authors' code).

Their pictures are flipped upside down, which their code calls horizontal; here streets are mirrored
and their colours changed, and tissue is turned (see :mod:`wsiseg.training.augmentation`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from torch import nn
from torch.optim import Adam, Optimizer

from wsiseg.training.losses.class_weights import inverse_log_weights
from wsiseg.training.losses.cross_entropy import CrossEntropy
from wsiseg.training.recipes.recipe import Pixels, Recipe, Stage


def _loss(pixels: Pixels, _classes: Sequence[str]) -> nn.Module:
    return CrossEntropy(inverse_log_weights(pixels, 1.10))


def _optimiser(parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
    return Adam(parameters, lr=lr, weight_decay=5e-4)


def _factor(epoch: float, epochs: int) -> float:
    """Halve after every third of the training, the authors' 100 epochs of 300."""
    return float(0.5 ** int(3 * epoch / epochs))


_DECODER = Stage(
    epochs=300,
    batch=6,
    lr=5e-4,
    optimiser=_optimiser,
    factor=_factor,
    loss=_loss,
    # Pictures of 1024×512 at 1536×768, 1280×640 (the authors' 1280×720 is stretched), 512×256,
    # 768×384 and as they are.
    zooms=(1.5, 1.25, 0.5, 0.75, 1.0),
)

ESPNET = Recipe(
    name="espnet",
    source="Mehta et al., ECCV 2018: the encoder on labels reduced to 1/8, then the whole network",
    stages=(replace(_DECODER, batch=12, encoder=True), _DECODER),
    whole_pictures=True,
)

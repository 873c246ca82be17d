"""How RDRNet was trained on Cityscapes (Yang et al., 2024, section 4.2, and the authors' settings).

Their 120 000 steps of 12 crops are 484 passes through 2975 pictures.  The crops were 1024×1024 at
0.5 to 2 times the pictures' size, which ``--tile 1024`` gives but for the sizes.  For CamVid and
PASCAL VOC they went on from those weights with a rate of 0.001 (``--init``, ``--lr``).  The running
statistics of RDRNet's batch norms, which are slower than usual, are the network's own.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from wsiseg.training.losses import HardPixels
from wsiseg.training.recipes.recipe import Pixels, Recipe, Stage

_CITYSCAPES_PIXELS = 2975 * 1024 * 2048
_RAREST = 1e-6


def _class_weights(pixels: Pixels) -> Tensor:
    """Return one over the logarithm of each class's pixels, one on average.

    The weights that MMSegmentation lists for Cityscapes are these, but for a few hundredths.  So
    that they do not depend on how many pictures there are, the pixels are those that as many
    pictures as in Cityscapes would have.
    """
    share = np.maximum(pixels / pixels.sum(), _RAREST)
    weights = 1 / np.log(share * _CITYSCAPES_PIXELS)
    return torch.from_numpy(weights / weights.mean()).float()


def _loss(pixels: Pixels) -> nn.Module:
    return HardPixels(_class_weights(pixels), threshold=0.9, kept=131_072)


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
)

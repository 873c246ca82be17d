"""A recipe that suits most networks and small data sets, from scratch or from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import nn
from torch.optim import AdamW, Optimizer

from wsiseg.training.losses.cross_entropy import CrossEntropy
from wsiseg.training.losses.dice import Dice
from wsiseg.training.losses.sum import Sum
from wsiseg.training.recipes.recipe import Pixels, Recipe, Stage

_WARM_UP = 0.05


def _loss(_pixels: Pixels, _classes: Sequence[str]) -> nn.Module:
    # Dice shares itself out among the classes; weights in the cross-entropy besides make a network
    # see the rarer class too often.
    return Sum(CrossEntropy(), Dice())


def _optimiser(parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
    return AdamW(parameters, lr=lr, weight_decay=1e-3)


def _factor(epoch: float, epochs: int) -> float:
    """Rise over the first twentieth, then fall to nothing by the power of 0.9."""
    done = epoch / epochs
    return min((done + 1e-3) / _WARM_UP, float(max(0.0, 1 - done) ** 0.9))


PLAIN = Recipe(
    name="plain",
    source="AdamW with polynomial decay; cross-entropy plus Dice; averaged weights",
    stages=(
        Stage(
            epochs=100,
            batch=8,
            lr=1e-3,
            optimiser=_optimiser,
            factor=_factor,
            loss=_loss,
            ema=0.99,
            clip=5.0,
        ),
    ),
)

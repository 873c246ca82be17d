"""Recipes and their stages: loss, optimiser, schedule, batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import nn
from torch.optim import Optimizer

Pixels = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """One stage of a recipe.

    Attributes
    ----------
    epochs, batch : int
        Passes through the data, and tiles at a time.
    lr : float
        Learning rate before the schedule's factor.
    optimiser : callable
        From parameters and learning rate.
    factor : callable
        From the epochs done so far, with a fraction, and those in all, to what the learning rate
        is multiplied by.
    loss : callable
        From the pixels and the name of each class to a loss on logits and labels.
    zooms : tuple of float
        An epoch shows the data once at each of these magnifications.
    ema : float
        Decay of the moving average of the weights, 0 for none.
    clip : float
        Greatest norm of the gradient, 0 for any.
    encoder : bool
        Train the network's encoder alone, as the architecture that it names.
    """

    epochs: int
    batch: int
    lr: float
    optimiser: Callable[[Iterable[nn.Parameter], float], Optimizer]
    factor: Callable[[float, int], float]
    loss: Callable[[Pixels, Sequence[str]], nn.Module]
    zooms: tuple[float, ...] = (1.0,)
    ema: float = 0.0
    clip: float = 0.0
    encoder: bool = False


@dataclass(frozen=True)
class Recipe:
    """Stages that follow each other, each starting from the weights of the one before.

    Attributes
    ----------
    name : str
        What users give as `recipe`.
    source : str
        Where it was published.
    stages : tuple of Stage
        The last one gives the checkpoint.
    whole_pictures : bool
        Whether tiles are as large as the pictures unless the user says otherwise.
    tile : int
        Greatest edge of the tiles of what is larger, unless the user says otherwise.
    scenes : str
        How scenes are changed unless the user says otherwise, a name of `AUGMENTATIONS`; tissue is
        changed as tissue whatever the recipe.
    """

    name: str
    source: str
    stages: tuple[Stage, ...]
    whole_pictures: bool = False
    tile: int = 512
    scenes: str = "street"

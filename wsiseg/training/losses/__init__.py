"""What training makes small; a new loss is a file here and an entry in `LOSSES`.

Each makes a module of logits and labels from the weights of the classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wsiseg.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

LOSSES: Registry[Callable[[Tensor], nn.Module]] = Registry(
    "loss",
    "wsiseg.losses",
    {
        "cross-entropy": "wsiseg.training.losses.cross_entropy:CrossEntropy",
        "cross-entropy+dice": "wsiseg.training.losses.dice:cross_entropy_and_dice",
        "dice": "wsiseg.training.losses.dice:dice",
        "ohem": "wsiseg.training.losses.ohem:OhemCrossEntropy",
    },
)
"""Losses by the names that users type."""

"""Training and scoring: annotated pictures and slides in, checkpoints and figures out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from wsiseg.errors import RuntimeUnavailableError

if TYPE_CHECKING:
    from wsiseg.training.datasets.opening import open_data as open_data
    from wsiseg.training.evaluating import EvaluateOptions as EvaluateOptions
    from wsiseg.training.evaluating import evaluate as evaluate
    from wsiseg.training.evaluating import write_scores as write_scores
    from wsiseg.training.fitting import TrainResult as TrainResult
    from wsiseg.training.fitting import train as train
    from wsiseg.training.options import DataOptions as DataOptions
    from wsiseg.training.options import TrainOptions as TrainOptions

# Loaded at first use: reading regions for a segmentation does not need what training does.
_HOMES = {
    "DataOptions": "options",
    "EvaluateOptions": "evaluating",
    "TrainOptions": "options",
    "TrainResult": "fitting",
    "evaluate": "evaluating",
    "open_data": "datasets.opening",
    "train": "fitting",
    "write_scores": "evaluating",
}

__all__ = [
    "DataOptions",
    "EvaluateOptions",
    "TrainOptions",
    "TrainResult",
    "evaluate",
    "open_data",
    "train",
    "write_scores",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    try:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "lightning":
            raise
        raise RuntimeUnavailableError(
            "lightning is not installed", None, "Run: pip install 'wsiseg[train]'."
        ) from error
    return getattr(home, name)

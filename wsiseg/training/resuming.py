"""Whether ``last.ckpt`` is what a training can go on from."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from wsiseg.errors import TrainingError
from wsiseg.training.keeping import COLUMNS, Keeper
from wsiseg.training.task import SegmentationTask

_PARTS = {
    "callbacks",
    "epoch",
    "global_step",
    "loops",
    "lr_schedulers",
    "optimizer_states",
    "state_dict",
}
"""What Lightning wants to find."""


def check_state(path: Path, task: SegmentationTask) -> None:
    """Look whether a training's state can be read and is of the same network.

    Parameters
    ----------
    path : Path
        ``last.ckpt``.
    task : SegmentationTask
        What is to go on.

    Raises
    ------
    TrainingError
        If it cannot be gone on from.
    """
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, LookupError, pickle.PickleError) as error:
        raise _damaged(path) from error
    if not (isinstance(state, dict) and state.keys() >= _PARTS):
        raise _damaged(path)
    found, wanted = state["state_dict"], task.state_dict()
    if not (isinstance(found, dict) and _shapes(found) == _shapes(wanted)):
        raise _damaged(path)
    # Lightning passes over a callback's state that is missing.
    callbacks = state["callbacks"]
    if not (isinstance(callbacks, dict) and _tells_epochs(callbacks.get(Keeper.__qualname__))):
        raise _damaged(path)


def _tells_epochs(kept: Any) -> bool:
    return (
        isinstance(kept, dict)
        and isinstance(kept.get("best"), float)
        and isinstance(kept.get("digest"), str)
        and isinstance(kept.get("rows"), list)
        and all(
            isinstance(row, dict)
            and row.keys() == set(COLUMNS)
            and all(value is None or isinstance(value, int | float) for value in row.values())
            for row in kept["rows"]
        )
    )


def _shapes(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(tensor, "shape", None) for name, tensor in tensors.items()}


def _damaged(path: Path) -> TrainingError:
    return TrainingError(
        "the state of the training is damaged, or of another network",
        path,
        "Train anew with `overwrite`, or elsewhere, with `init` and its best.safetensors.",
    )

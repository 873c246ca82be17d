"""Checks of ``last.ckpt`` before a run is resumed from it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from wsiseg.errors import TrainingError
from wsiseg.training.callbacks import COLUMNS, CheckpointCallback
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
"""What Lightning needs."""


def check_state(path: Path, task: SegmentationTask) -> None:
    """Check that the saved state of a run can be read and is of the same network.

    Parameters
    ----------
    path : Path
        ``last.ckpt``.
    task : SegmentationTask
        The network and optimiser that will continue from it.

    Raises
    ------
    TrainingError
        If the file is damaged, or of another network.
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
    if not (
        isinstance(callbacks, dict)
        and _is_checkpoint_state(callbacks.get(CheckpointCallback.state_key))
    ):
        raise _damaged(path)


def _is_checkpoint_state(state: Any) -> bool:
    return (
        isinstance(state, dict)
        and isinstance(state.get("best"), float)
        and isinstance(state.get("digest"), str)
        and isinstance(state.get("rows"), list)
        and all(
            isinstance(row, dict)
            and row.keys() == set(COLUMNS)
            and all(value is None or isinstance(value, int | float) for value in row.values())
            for row in state["rows"]
        )
    )


def _shapes(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(tensor, "shape", None) for name, tensor in tensors.items()}


def _damaged(path: Path) -> TrainingError:
    return TrainingError(
        "the saved state is damaged, or of another network",
        path,
        "Start again with `overwrite`, or in another folder with `init` and its best.safetensors.",
    )

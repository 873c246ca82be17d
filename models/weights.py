"""Loading tensors into a network strictly, with errors that name what does not fit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wsiseg.errors import WeightsMismatchError

_SHOWN = 3
_SUBNORMAL = 1e-30


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], where: object = None) -> None:
    """Copy `state` into `network`; every tensor has to be there, and no other.

    Batch-norm step counters may be left out: checkpoints of old PyTorch have none, and inference
    does not read them.

    Raises
    ------
    WeightsMismatchError
        Naming the first tensors that are missing, left over or of another shape.
    """
    wanted = network.state_dict()
    needed = {key for key in wanted if not key.endswith("num_batches_tracked")}
    missing = sorted(needed - state.keys())
    unknown = sorted(state.keys() - wanted.keys())
    misshapen = [
        f"{key} is {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    complaints = [
        f"{len(found)} {kind}: {', '.join(found[:_SHOWN])}{', …' if len(found) > _SHOWN else ''}"
        for kind, found in (
            ("missing", missing),
            ("left over", unknown),
            ("of another shape", misshapen),
        )
        if found
    ]
    if complaints:
        raise WeightsMismatchError(
            f"the weights do not fit {type(network).__name__}: {'; '.join(complaints)}",
            where,
            "Check the architecture, its arguments and the number of classes.",
        )
    network.load_state_dict(dict(state), strict=False)


def flush_subnormals(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Set floating-point values too small to matter to zero.

    Weight decay leaves thousands of weights below 1e-30 in the published ESPNet checkpoints, and
    a CPU computes with them ten times slower.  The network's output does not change in a bit.
    """
    return {
        key: torch.where(value.abs() < _SUBNORMAL, torch.zeros_like(value), value)
        if value.is_floating_point() and not key.endswith("running_var")
        else value
        for key, value in state.items()
    }

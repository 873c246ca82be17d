"""Loading a state dict strictly, with errors that name the tensors that do not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models.weight_files import shorten

_SHOWN = 3
_SUBNORMAL = 1e-30
_LARGEST = 1e18
"""Products of two larger numbers overflow in float32."""


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], where: object = None) -> None:
    """Copy a state dict into a network; every tensor has to be there, and no other.

    Batch-norm step counters may be left out: checkpoints of old PyTorch have none, and inference
    does not read them.

    Parameters
    ----------
    network : Module
        Changed in place.
    state : mapping of str to Tensor
        The state dict.
    where : object, optional
        The file, for errors.

    Raises
    ------
    WeightsMismatchError
        Naming the first tensors that are missing, left over, of another shape or of another type.
    CheckpointError
        Naming the first tensor that holds values that cannot be weights.
    """
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    real = {key for key, value in state.items() if value.is_floating_point()}
    compare_shapes(network, shapes, real, where)
    network.load_state_dict(flush_subnormals(state), strict=False)
    refuse_bad_weights(network.state_dict(), where)


def compare_shapes(
    network: nn.Module,
    shapes: Mapping[str, tuple[int, ...]],
    real: Collection[str],
    where: object = None,
) -> None:
    """Compare what a file holds with what a network needs; its weights may be on the meta device.

    Parameters
    ----------
    network : Module
        What they are for.
    shapes : mapping of str to tuple of int
        Of each tensor that is there.
    real : collection of str
        Those of them that hold floating-point numbers.
    where : object, optional
        The file, for errors.

    Raises
    ------
    WeightsMismatchError
        Naming the first tensors that are missing, left over, of another shape or of another type.
    """
    wanted = network.state_dict()
    needed = {key for key in wanted if not key.endswith("num_batches_tracked")}
    both = [key for key in wanted if key in shapes]
    complaints = [
        f"{len(found)} {kind}: {', '.join(found[:_SHOWN])}{', …' if len(found) > _SHOWN else ''}"
        for kind, found in (
            ("missing", sorted(needed - shapes.keys())),
            ("left over", [shorten(key) for key in sorted(shapes.keys() - wanted.keys())]),
            (
                "of another shape",
                [
                    f"{key} is {shorten(str(shapes[key]))} instead of {tuple(wanted[key].shape)}"
                    for key in both
                    if shapes[key] != wanted[key].shape
                ],
            ),
            (
                "of another type",
                [key for key in both if (key in real) != wanted[key].is_floating_point()],
            ),
        )
        if found
    ]
    if complaints:
        raise WeightsMismatchError(
            f"the weights do not fit {type(network).__name__}: {'; '.join(complaints)}",
            where,
            "Check the architecture, its arguments and the number of classes.",
        )


def refuse_bad_weights(state: Mapping[str, Tensor], where: object = None) -> None:
    """Refuse a state dict with NaN, infinity or other values that cannot be weights.

    Parameters
    ----------
    state : mapping of str to Tensor
        The state dict.
    where : object, optional
        The file, for errors.

    Raises
    ------
    CheckpointError
        Naming the first such tensor.
    """
    for key, value in state.items():
        if not value.is_floating_point() or not value.numel():
            continue
        # NaN among them makes both NaN, of which no comparison holds.
        lowest, highest = (float(end) for end in value.aminmax())
        what = None
        if not -_LARGEST <= lowest <= highest <= _LARGEST:
            what = f"{key} holds NaN, infinity or numbers beyond {_LARGEST:g}"
        elif key.endswith("running_var") and lowest < 0:
            what = f"{key} holds a negative variance"
        if what is not None:
            raise CheckpointError(
                f"the weights are damaged: {what}",
                where,
                "Download the file again, or train again.",
            )


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

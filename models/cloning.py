"""Copies of networks."""

from __future__ import annotations

import copy
from typing import Any, TypeVar, cast

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def clone(network: M) -> M:
    """Return a copy that shares no tensor with the network.

    Modules and tensors that stand in several places of the network stand in the same places of
    the copy.  :func:`copy.deepcopy` would do as well, but for tensors it first imports PyTorch's
    compiler, which takes seconds.

    Parameters
    ----------
    network : Module
        Of parameters and buffers that are no results of others.

    Returns
    -------
    Module
        On the same device and in the same mode.
    """
    return _clone_module(network, {})


def _clone_module(module: M, known: dict[object, Any]) -> M:
    if module in known:
        return cast("M", known[module])
    copied = known[module] = copy.copy(module)
    for name, value in vars(module).items():
        # The registers of parameters, buffers, modules and hooks would be the original's.
        if isinstance(value, dict):
            register = vars(copied)[name] = copy.copy(value)
            register.update({key: _clone_held(held, known) for key, held in value.items()})
        elif isinstance(value, set):
            vars(copied)[name] = set(value)
    return copied


def _clone_held(held: object, known: dict[object, Any]) -> object:
    if isinstance(held, nn.Module):
        return _clone_module(held, known)
    if not isinstance(held, Tensor):
        return held
    # A tensor is looked up by what it is, as equality compares its values.
    key = ("tensor", id(held))
    if key not in known:
        values = held.detach().clone()
        known[key] = (
            nn.Parameter(values, requires_grad=held.requires_grad)
            if isinstance(held, nn.Parameter)
            else values
        )
    return known[key]

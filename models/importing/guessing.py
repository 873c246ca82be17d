"""Telling by keys and shapes which network a published file is of."""

from __future__ import annotations

from pathlib import Path

import torch

from wsiseg.errors import ArgumentError, CheckpointError
from wsiseg.models.importing.espnetv2_classifier import is_classifier
from wsiseg.models.importing.key_renaming import State
from wsiseg.models.importing.layouts import matching_architectures
from wsiseg.models.importing.published_state import PublishedState, read_state, without_prefix
from wsiseg.models.registry import create_model
from wsiseg.models.weight_files import shorten
from wsiseg.models.weights import compare_shapes


def guess_architecture(path: Path | str) -> str:
    """Return our name of the network that a published file is of, told by its keys and shapes.

    Parameters
    ----------
    path : path-like
        A ``.pth`` file; read without running any code in it.

    Raises
    ------
    CheckpointError
        If the file is unreadable, or is of no known network, or might be of several.
    """
    path = Path(path)
    state = read_state(path)
    if is_classifier(state):
        return "espnetv2"
    named = matching_architectures(without_prefix(state))
    fitting = [name for name in named if _fits(name, state)]
    if len(fitting) == 1:
        return fitting[0]
    if named:
        possible = " or ".join(fitting or named)
        raise CheckpointError(
            f"the architecture cannot be told from the file: it may be {possible}",
            path,
            "Name it with `architecture`.",
        )
    first = ", ".join(shorten(key) for key in list(state)[:3]) or "nothing"
    raise CheckpointError(
        f"these are not weights of a network in a known layout; the file begins with {first}",
        path,
        "'wsiseg models list' has the networks; name one with `architecture`.",
    )


def _fits(architecture: str, state: State) -> bool:
    """Tell whether a state dict has every tensor of a network, in its shape, and no other."""
    try:
        published = PublishedState(architecture, state)
        with torch.device("meta"):
            network = create_model(architecture, published.classes, **published.arguments)
        tensors = published.layout.translate(architecture, without_prefix(state))
        shapes = {key: tuple(value.shape) for key, value in tensors.items()}
        real = {key for key, value in tensors.items() if value.is_floating_point()}
        compare_shapes(network, shapes, real)
    except (CheckpointError, ArgumentError):
        return False
    return True

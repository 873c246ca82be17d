"""Turning other authors' tensor names into ours by tables of patterns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

State = Mapping[str, Tensor]

Renames = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]
"""Patterns and what to put in their place, in the order in which they are tried."""


def renamed(key: str, renames: Renames) -> str:
    """Return a name after every pattern that it holds has been replaced."""
    for pattern, replacement in renames:
        key = re.sub(pattern, replacement, key)
    return key


def renamed_state(state: State, renames: Renames) -> dict[str, Tensor]:
    """Return the same tensors under new names."""
    return {renamed(key, renames): value for key, value in state.items()}


def count_numbered(state: State, prefix: str) -> int:
    """Return how many numbered modules follow a prefix such as ``level2.``."""
    pattern = re.escape(prefix) + r"(\d+)\."
    return len({m[1] for key in state if (m := re.match(pattern, key))})

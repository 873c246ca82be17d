"""Renaming the tensors of other authors' state dicts by tables of regular expressions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

State = Mapping[str, Tensor]

Renames = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]
"""Patterns and what to put in their place, in the order in which they are tried."""


def renamed(key: str, renames: Renames) -> str:
    r"""Return a tensor name with every pattern in it replaced.

    Parameters
    ----------
    key : str
        Name in a state dict.
    renames : sequence of (str, str or callable)
        Regular expressions and replacements, applied one after the other as :func:`re.sub` does.

    Examples
    --------
    >>> renamed("level1.bn.weight", ((r"^level", "encoder.level"), (r"\.bn\.", ".norm.")))
    'encoder.level1.norm.weight'
    """
    for pattern, replacement in renames:
        key = re.sub(pattern, replacement, key)
    return key


def renamed_state(state: State, renames: Renames) -> dict[str, Tensor]:
    """Return the same tensors under new names.

    Parameters
    ----------
    state : mapping of str to Tensor
        A state dict.
    renames : sequence of (str, str or callable)
        As :func:`renamed` takes them.
    """
    return {renamed(key, renames): value for key, value in state.items()}


def count_numbered(state: State, prefix: str) -> int:
    """Return how many numbered modules follow a prefix.

    Parameters
    ----------
    state : mapping of str to Tensor
        A state dict.
    prefix : str
        ``"level2."`` counts ``level2.0.…``, ``level2.1.…`` and so on.
    """
    pattern = re.escape(prefix) + r"(\d+)\."
    return len({m[1] for key in state if (m := re.match(pattern, key))})

"""What a forked child must not share with its parent."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

Owner = TypeVar("Owner")

_WATCHED: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()


def call_after_fork(owner: Owner, act: Callable[[Owner], None]) -> None:
    """Call `act` with an object in every child that is forked off while the object lives.

    It is called before any other thread runs there, so it may replace locks that a thread of the
    parent held.
    """
    _WATCHED[owner] = act


def _tell() -> None:
    for owner, act in tuple(_WATCHED.items()):
        act(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell)

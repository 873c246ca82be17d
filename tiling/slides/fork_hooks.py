"""Hooks that run in a forked child, so that it shares no lock or file handle with its parent."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

Owner = TypeVar("Owner")

_WATCHED: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()


def call_after_fork(owner: Owner, act: Callable[[Owner], None]) -> None:
    """Call a function in every child process that is forked while an object lives.

    It is called before any other thread runs in the child, so it may replace locks that a thread
    of the parent held.

    Parameters
    ----------
    owner : object
        Held weakly: when it is collected, the hook is gone.
    act : callable
        Called with the owner.
    """
    _WATCHED[owner] = act


def _tell() -> None:
    for owner, act in tuple(_WATCHED.items()):
        act(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell)

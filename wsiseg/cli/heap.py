"""How the C library hands out memory, while a command runs."""

from __future__ import annotations

import ctypes
import os
import sys

_ARENAS = 2
_M_ARENA_MAX = -8
"""What glibc's ``mallopt`` calls the most arenas, see malloc.h."""


def limit_arenas() -> None:
    """Let threads share two arenas of the heap.

    glibc gives each thread one of its own, up to eight per core, and each keeps what was freed in
    it: a tenth of the memory of a run, for threads that decode and seldom allocate.  Who sets
    ``MALLOC_ARENA_MAX`` has the last word; other C libraries have no arenas.
    """
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)

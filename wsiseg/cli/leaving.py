"""Leaving a program without taking it apart.

The interpreter would free every object before it ends, a quarter of a second that helps nobody.
"""

from __future__ import annotations

import atexit
import os
import sys


class QuickExit:
    """Ends the process as soon as everything is done that Python promises at its end.

    It is registered before all others, so it is called after all others, when threads have been
    waited for.  Debuggers and profilers are left their ways to end.
    """

    def __init__(self) -> None:
        self._status: int | None = None
        atexit.register(self._leave)

    def allow(self, status: int) -> None:
        """Let the process end with a status; without it, it ends as usual."""
        self._status = status

    def _leave(self) -> None:
        if self._status is None or sys.gettrace() or sys.getprofile():
            return
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except (OSError, ValueError):
            # Python has its own way to tell.
            return
        os._exit(self._status)

"""How signals end the program: in order, without a traceback, with a status that says which.

The first one raises KeyboardInterrupt where the program is, as Control-C always does.  Those that
follow are for an end that is under way, and change nothing, unless it hangs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

INTERRUPTED = 130

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_GRACE = 5.0
"""Seconds after the first signal from which on another one ends the program as it stands."""


class Interruption:
    """Hears the signals that end the program."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._since = 0.0

    def listen(self) -> None:
        """Begin to hear them, but for those that somebody else hears, or that are ignored."""
        if threading.current_thread() is not threading.main_thread():
            return
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number and signal.getsignal(number) in (
                signal.SIG_DFL,
                signal.default_int_handler,
            ):
                signal.signal(number, self._hear)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self._number is None:
            self._number, self._since = number, time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._since > _GRACE:
            os._exit(self.status)

    @property
    def came(self) -> bool:
        """Whether a signal came."""
        return self._number is not None

    @property
    def status(self) -> int:
        """The exit status: 128 and the number of the signal, as shells count."""
        return INTERRUPTED if self._number is None else 128 + self._number

    @property
    def name(self) -> str:
        """What is said of it."""
        by = self._number not in (None, signal.SIGINT)
        return f"interrupted by {signal.Signals(self.status - 128).name}" if by else "interrupted"

    def leave(self, status: int) -> None:
        """End the program, without waiting for threads if it was interrupted."""
        if self.came and any(not each.daemon for each in threading.enumerate()[1:]):
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(status)
        self._stop_listening()
        sys.exit(status)

    def _stop_listening(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number and signal.getsignal(number) == self._hear:
                usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
                # The interpreter ends by giving signals back to the system, for which a further one
                # would end the program with a status of its own.
                signal.signal(number, signal.SIG_IGN if self.came else usual)

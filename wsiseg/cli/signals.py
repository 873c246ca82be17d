"""Signals: the program ends in order, without a traceback, with an exit status that says which.

The first signal raises KeyboardInterrupt, as Control-C always does.  Further ones are ignored
while the program ends, unless it hangs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

INTERRUPTED = 130

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Control-Break is how one program asks another to end on Windows; SIGHUP comes elsewhere."""

_GRACE = 5.0
"""Seconds after the first signal from which on another one ends the program at once."""


class Interruption:
    """Handles the signals that end the program."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._since = 0.0

    def listen(self) -> None:
        """Install the handlers, except for signals that are ignored or handled by others."""
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
    def received(self) -> bool:
        """Whether a signal was received."""
        return self._number is not None

    @property
    def status(self) -> int:
        """The exit status: 128 and the number of the signal, as shells count."""
        return INTERRUPTED if self._number is None else 128 + self._number

    @property
    def name(self) -> str:
        """The interruption in words, for messages."""
        by = self._number not in (None, signal.SIGINT)
        return f"interrupted by {signal.Signals(self.status - 128).name}" if by else "interrupted"

    def exit(self, status: int) -> None:
        """End the program, without waiting for threads if it was interrupted."""
        if self.received and any(not each.daemon for each in threading.enumerate()[1:]):
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
                signal.signal(number, signal.SIG_IGN if self.received else usual)

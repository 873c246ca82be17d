"""Long work in a thread, with progress and a way to end it."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QWidget

from wsiseg.errors import WsisegError


class Cancelled(BaseException):
    """The user wants no more of it; raised inside the work, and never an error."""


class Work(QObject):
    """A function that runs in a thread of its own.

    Its signals arrive in the event loop, whose thread alone may touch the window.  The owner's end,
    as when the window is closed, cancels it.

    Parameters
    ----------
    owner : QWidget
        Whoever shows how it goes.
    function : callable
        Takes this object; calls :meth:`report` often, where it can be cancelled.
    """

    reported = Signal(object)
    """What the function reports on its way."""
    returned = Signal(object)
    """What it returns, if it comes to its end."""
    failed = Signal(str)
    """One line that says why it did not."""
    ended = Signal()
    """It is over, one way or another."""
    _happened = Signal(str, object)

    def __init__(self, owner: QWidget, function: Callable[[Work], Any]) -> None:
        super().__init__()
        self._function = function
        self._cancelled, self._alone = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="wsiseg-work")
        # Functions that are no methods of a Qt object would else be called in the wrong thread.
        self._happened.connect(self._tell, Qt.ConnectionType.QueuedConnection)
        # Without the detour over a queue, as the owner's own thread ends with it.
        owner.destroyed.connect(self._cancelled.set, Qt.ConnectionType.DirectConnection)
        owner.destroyed.connect(self._alone.set, Qt.ConnectionType.DirectConnection)

    def start(self) -> None:
        """Begin."""
        _running.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Ask the function to end; it does at its next report."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end, and tell whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def report(self, value: object = None) -> None:
        """Tell, from inside the function, how it goes.

        Raises
        ------
        Cancelled
            If nobody wants its result any more.
        """
        if self._cancelled.is_set():
            raise Cancelled
        if value is not None:
            self._happened.emit("reported", value)

    def _run(self) -> None:
        try:
            # napari wants it for the first layer of labels; loading it there, in the event loop,
            # would hold the window.
            importlib.import_module("pandas")
            result = self._function(self)
        except Cancelled:
            pass
        except WsisegError as error:
            self._happened.emit("failed", str(error))
        except Exception as error:
            # The last resort of a thread: without it, nobody would hear of the failure.
            self._happened.emit(
                "failed", " ".join(f"unexpected {type(error).__name__}: {error}".split())
            )
        else:
            if not self._cancelled.is_set():
                self._happened.emit("returned", result)
        finally:
            self._happened.emit("ended", None)

    def _tell(self, what: str, value: object) -> None:
        over = what == "ended"
        # Whoever would hear of it without an owner would touch what Qt has deleted.
        if not self._alone.is_set():
            signal = getattr(self, what)
            signal.emit() if over else signal.emit(value)
        if over:
            _running.discard(self)


_running: set[Work] = set()
"""Keeps what runs, or has something left to tell, from being collected."""

"""Long work in a thread, with progress reports and cancelling."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QWidget

from wsiseg.errors import WsisegError


class Cancelled(BaseException):
    """The user has cancelled; raised inside the work, and never an error."""


class Worker(QObject):
    """A function that runs in a thread of its own.

    Its signals arrive in the event loop, whose thread alone may touch the window.  The owner's end,
    as when the window is closed, cancels it.

    Parameters
    ----------
    owner : QWidget
        The widget that shows progress.
    function : callable
        Takes this object; calls :meth:`report` often, where it can be cancelled.
    """

    reported = Signal(object)
    """A progress report of the function."""
    returned = Signal(object)
    """The result of the function."""
    failed = Signal(str)
    """One line that says why the function failed."""
    ended = Signal()
    """The function has ended: returned, failed or cancelled."""
    _happened = Signal(str, object)

    def __init__(self, owner: QWidget, function: Callable[[Worker], Any]) -> None:
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
        """Start the thread."""
        _running.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Cancel: the function ends at its next report."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so many seconds; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def report(self, value: object = None) -> None:
        """Report progress, from inside the function.

        Raises
        ------
        Cancelled
            If the user has cancelled.
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


_running: set[Worker] = set()
"""Keeps what runs, or has something left to tell, from being collected."""

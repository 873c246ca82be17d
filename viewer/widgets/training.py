"""``wsiseg train`` in a process of its own: the window neither waits for it nor falls with it."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal
from qtpy.QtWidgets import QWidget

from wsiseg.viewer.fine_tuning import environment, read_event

_PATIENCE_MS = 10_000
"""How long an interrupted training may take to end by itself."""
_NICENESS = 10


class Training(QObject):
    """A training in a process of its own, which ends with its owner.

    Parameters
    ----------
    owner : QWidget
        Whoever shows how it goes.
    """

    happened = Signal(dict)
    """An event of ``wsiseg train --events``."""
    ended = Signal(int)
    """Its status; -1 if it crashed."""

    def __init__(self, owner: QWidget) -> None:
        super().__init__()
        self.cancelled = False
        self._begun = ""
        self._process = QProcess()
        variables = QProcessEnvironment()
        for name, value in environment(os.environ).items():
            variables.insert(name, value)
        self._process.setProcessEnvironment(variables)
        self._process.started.connect(self._step_back)
        self._process.readyReadStandardOutput.connect(self._hear)
        self._process.finished.connect(self._end)
        self._process.errorOccurred.connect(self._fail)
        owner.destroyed.connect(self.cancel)

    @property
    def pid(self) -> int:
        """Number of the process; 0 while there is none."""
        return int(self._process.processId() or 0)

    def start(self, command: Sequence[str]) -> None:
        """Begin."""
        _running.add(self)
        self._process.start(command[0], list(command[1:]))

    def cancel(self) -> None:
        """End the run as Ctrl-C does, so that it can be resumed; by force if it does not end."""
        self.cancelled = True
        if self.pid and sys.platform != "win32":
            os.kill(self.pid, signal.SIGINT)
            QTimer.singleShot(_PATIENCE_MS, self._process.kill)
        else:
            self._process.kill()

    def cancel_and_wait(self) -> None:
        """Cancel it where no event loop runs any more."""
        if not self.cancelled:
            self.cancel()
        if not self._process.waitForFinished(_PATIENCE_MS):
            self._process.kill()
            self._process.waitForFinished(-1)

    def _step_back(self) -> None:
        """Let the window go first where both want to compute."""
        # It may have ended at once.
        with suppress(ProcessLookupError):
            if self.pid and hasattr(os, "setpriority"):
                os.setpriority(os.PRIO_PROCESS, self.pid, _NICENESS)

    def _hear(self) -> None:
        text = self._begun + bytes(self._process.readAllStandardOutput().data()).decode(
            "utf-8", "replace"
        )
        *lines, self._begun = text.split("\n")
        for line in lines:
            if (event := read_event(line)) is not None:
                self.happened.emit(event)

    def _end(self, status: int, how: QProcess.ExitStatus) -> None:
        self._hear()
        _running.discard(self)
        self.ended.emit(status if how == QProcess.ExitStatus.NormalExit else -1)

    def _fail(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.happened.emit(
                {
                    "event": "error",
                    "what": f"the training cannot be started: {self._process.errorString()}",
                    "where": None,
                    "hint": None,
                }
            )
            _running.discard(self)
            self.ended.emit(-1)


_running: set[Training] = set()
"""Keeps what runs from being collected."""


@atexit.register
def _end_all() -> None:
    for training in list(_running):
        training.cancel_and_wait()

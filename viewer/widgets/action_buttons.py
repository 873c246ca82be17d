"""Buttons that start work in threads, and cannot be pressed before it has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from wsiseg.viewer.widgets.layouts import row_of
from wsiseg.viewer.widgets.status_line import StatusLine
from wsiseg.viewer.worker import Worker


class ActionButtons:
    """The buttons of a widget that work on the same layers, and what they have started.

    Parameters
    ----------
    owner : QWidget
        The widget, with whose end the work ends.
    status : StatusLine
        Where the work is named, and told to have failed.

    Attributes
    ----------
    buttons : dict of str to QPushButton
        By their texts.
    """

    def __init__(self, owner: QWidget, status: StatusLine) -> None:
        self._owner, self._status = owner, status
        self._running = 0
        self.buttons: dict[str, QPushButton] = {}

    def row(self, *actions: tuple[str, str, Callable[[], None]]) -> QHBoxLayout:
        """Return new buttons side by side.

        Parameters
        ----------
        *actions : tuple of str, str and callable
            Text, tip, and what a press does.
        """
        return row_of(*(self._button(*action) for action in actions))

    def _button(self, text: str, tip: str, act: Callable[[], None]) -> QPushButton:
        button: QPushButton = QPushButton(text)
        self.buttons[text] = button
        button.setToolTip(tip)
        button.clicked.connect(act)
        return button

    def start(
        self, text: str, function: Callable[[Worker], Any], done: Callable[[Any], None]
    ) -> None:
        """Start work in a thread.

        Parameters
        ----------
        text : str
            What the status tells meanwhile; ends with ``…``.
        function : callable
            The work, see :class:`wsiseg.viewer.worker.Worker`.
        done : callable
            Takes its result, in the event loop.
        """
        self._status.setText(text)
        self.begin()
        work = Worker(self._owner, function)
        work.ended.connect(self.end)
        work.failed.connect(self._status.fail)
        work.returned.connect(done)
        work.start()

    def begin(self) -> None:
        """Disable the buttons until as many pieces of work have ended as have begun."""
        self._running += 1
        self._update()

    def end(self) -> None:
        """Count one piece of work as ended."""
        self._running -= 1
        self._update()
        if not self._running and self._status.text().endswith("…"):
            self._status.clear()

    def _update(self) -> None:
        for button in self.buttons.values():
            button.setEnabled(not self._running)

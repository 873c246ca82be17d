"""A path to type or to pick."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QToolButton, QWidget

from wsiseg.viewer.plain_text import plain

_SHOWN = 28
"""Letters that have room."""


class PathField(QWidget):
    """A path to type or to pick.

    Parameters
    ----------
    placeholder : str
        What is taken where nothing is given.
    ask : callable
        Takes the widget to show a dialog over, and returns what was picked, or nothing.
    """

    edited = Signal()
    """It changed, by a letter maybe."""
    chosen = Signal()
    """Another was given whole."""

    def __init__(self, placeholder: str, ask: Callable[[QWidget], str]) -> None:
        super().__init__()
        self._ask = ask
        self.line, self.picking = QLineEdit(), QToolButton()
        self.line.setPlaceholderText(placeholder)
        self.line.setMinimumWidth(self.fontMetrics().averageCharWidth() * _SHOWN)
        self.line.setClearButtonEnabled(True)
        self.picking.setText("…")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line)
        row.addWidget(self.picking)
        self.line.textChanged.connect(self._edit)
        self.picking.clicked.connect(self._pick)

    @property
    def text(self) -> str | None:
        """What is given, if anything, which may be a name or an address as well."""
        text = self.line.text().strip()
        return str(self.path) if text.startswith("~") else text or None

    @property
    def path(self) -> Path | None:
        """What is given, if anything, as a path."""
        text = self.line.text().strip()
        if not text:
            return None
        with suppress(RuntimeError):
            # Nobody of that name; whoever opens the path will say that it is not there.
            return Path(text).expanduser()
        return Path(text)

    def choose(self, path: Path | str | None) -> None:
        """Give another, or none."""
        self.line.setText("" if path is None else str(path))
        self.chosen.emit()

    def _edit(self, text: str) -> None:
        self.line.setToolTip(plain(text))
        self.edited.emit()

    def _pick(self) -> None:
        if picked := self._ask(self):
            self.choose(picked)

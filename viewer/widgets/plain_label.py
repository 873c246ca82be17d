"""Lines of text that may hold names out of files."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from wsiseg.text import escape_unprintable


class PlainLabel(QLabel):
    """A label that shows what it is given: Qt would take ``<b>`` in a name for bold.

    Parameters
    ----------
    text : str
        To begin with; lines are kept.
    wrap : bool
        Whether long lines go on below.
    """

    def __init__(self, text: str = "", *, wrap: bool = False) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wrap)
        self.setText(text)

    def setText(self, text: str) -> None:  # noqa: N802, as Qt calls it
        """Show other lines."""
        super().setText("\n".join(map(escape_unprintable, text.split("\n"))))

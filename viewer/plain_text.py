"""Names out of files, where a widget of napari's or Qt's takes text for what it looks like."""

from __future__ import annotations

from qtpy.QtGui import Qt

from wsiseg.text import escape_unprintable


def plain(text: str) -> str:
    r"""Return a line that Qt takes for plain text: where it would not, ``<`` becomes ``\x3c``."""
    text = escape_unprintable(text)
    return text.replace("<", r"\x3c") if Qt.mightBeRichText(text) else text

"""Warnings that stay where they are seen."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt

from wsiseg.viewer.plain_text import plain
from wsiseg.viewer.widgets.plain_label import PlainLabel

_COLOUR = "#e8964c"
_MOST = 4


class WarningsLabel(PlainLabel):
    """Shows the first few warnings, and all of them in its tooltip; hidden where there are none.

    Parameters
    ----------
    whose : str
        Behind the word *Warning*; nothing if left out.
    """

    def __init__(self, whose: str = "") -> None:
        super().__init__(wrap=True)
        self._begins = f"Warning {whose}".strip()
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setStyleSheet(f"color: {_COLOUR}")
        self.setVisible(False)

    def show_lines(self, found: Sequence[str]) -> None:
        """Show other warnings.

        Parameters
        ----------
        found : sequence of str
            All of them.
        """
        lines = [f"{self._begins}: {text}" for text in found[:_MOST]]
        if len(found) > _MOST:
            lines.append(f"and {len(found) - _MOST} more: rest the pointer here")
        self.setText("\n".join(lines))
        self.setToolTip(plain("\n".join(found)))
        self.setVisible(bool(found))

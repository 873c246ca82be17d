"""Warnings that stay where they are seen."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt

from wsiseg.viewer.plain_text import plain
from wsiseg.viewer.widgets.plain_label import PlainLabel

_COLOUR = "#e8964c"


class WarningsLabel(PlainLabel):
    """Shows the first few warnings, and all of them in its tooltip; hidden where there are none.

    Parameters
    ----------
    whose : str
        Behind the word *Warning*; nothing if left out.
    most : int
        How many are shown.
    """

    def __init__(self, whose: str = "", most: int = 4) -> None:
        super().__init__(wrap=True)
        self._most = most
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
        lines = [f"{self._begins}: {text}" for text in found[: self._most]]
        if len(found) > self._most:
            lines.append(f"and {len(found) - self._most} more: rest the pointer here")
        self.setText("\n".join(lines))
        self.setToolTip(plain("\n".join(found)))
        self.setVisible(bool(found))

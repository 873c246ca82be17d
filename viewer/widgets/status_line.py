"""The line at which a widget tells what it does, and what failed."""

from __future__ import annotations

from wsiseg.viewer.notifications import notify_error
from wsiseg.viewer.widgets.plain_label import PlainLabel


class StatusLine(PlainLabel):
    """A label with long lines that go on below.

    Parameters
    ----------
    text : str
        To begin with.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(text, wrap=True)

    def tell_failure(self, line: str) -> None:
        """Tell what failed to whoever looks here."""
        self.setText(f"Failed: {line}")

    def fail(self, line: str) -> None:
        """Tell what failed here and in a notification, as it was done in a thread."""
        self.tell_failure(line)
        notify_error(line)

"""Whether there is a screen to open a window on, known before anything large is imported."""

from __future__ import annotations

import os
import sys

from wsiseg.errors import RuntimeUnavailableError

_NAMES = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


def refuse_without_screen() -> None:
    """Say so where Qt would end the process.

    Raises
    ------
    RuntimeUnavailableError
        If there is none.
    """
    if sys.platform.startswith("linux") and not any(map(os.environ.get, _NAMES)):
        raise RuntimeUnavailableError(
            "there is no screen to open a window on",
            "DISPLAY",
            "Log in with a screen or by ssh -X; segment and evaluate need none.",
        )

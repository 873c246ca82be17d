"""What goes wrong, told in napari's own notifications: one line each, and no traceback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from napari.utils.notifications import show_error, show_warning

from wsiseg.errors import WsisegError
from wsiseg.viewer.levels import DamageListener
from wsiseg.viewer.plain import plain


def show_line(text: str) -> None:
    """Show what went wrong and what can be done."""
    show_error(plain(text))


def warn_line(text: str) -> None:
    """Show what may be not as it was meant."""
    show_warning(plain(text))


def tell_error(error: WsisegError) -> None:
    """Show an error of ours."""
    show_line(str(error))


@contextmanager
def told() -> Iterator[None]:
    """Tell of an error of ours instead of raising it."""
    try:
        yield
    except WsisegError as error:
        tell_error(error)


def tell_once() -> DamageListener:
    """Return a function that tells of the first damage only: a slide may have a thousand."""
    first = threading.Lock()

    def tell(error: WsisegError) -> None:
        # Nobody gives it back.
        if first.acquire(blocking=False):
            warn_line(f"{error} Such parts are left blank.")

    return tell

"""Errors and warnings as napari's notifications: one line each, without a traceback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from napari.utils.notifications import show_error, show_warning

from wsiseg.errors import WsisegError
from wsiseg.viewer.layers.levels import DamageListener
from wsiseg.viewer.plain_text import plain


def notify_error(error: WsisegError | str) -> None:
    """Show what went wrong and what can be done."""
    show_error(plain(str(error)))


def notify_warning(text: str) -> None:
    """Show what may differ from what was meant."""
    show_warning(plain(text))


@contextmanager
def errors_notified(tell: Callable[[str], object] | None = None) -> Iterator[None]:
    """Show errors of this package as notifications instead of raising them.

    Parameters
    ----------
    tell : callable, optional
        Takes the line as well: a notification goes after a few seconds.
    """
    try:
        yield
    except WsisegError as error:
        if tell is not None:
            tell(str(error))
        notify_error(error)


def damage_notifier() -> DamageListener:
    """Return a function that shows the first damage only: a slide may have a thousand."""
    first = threading.Lock()

    def notify(error: WsisegError) -> None:
        # Nobody gives it back.
        if first.acquire(blocking=False):
            notify_warning(f"{error} Such parts are left blank.")

    return notify

"""Slow work from the event loop, during which the window stays responsive."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from qtpy.QtCore import QCoreApplication, QEventLoop, QThread, QTimer

from wsiseg.errors import ArgumentError

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE_MS = 10


def without_blocking(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread, and return its result; the window stays responsive meanwhile.

    napari calls readers and samples from its event loop and waits for what they return; the
    work is done in a thread while a nested event loop runs.  Without a window, or off its thread,
    the function is simply called.

    Raises
    ------
    ArgumentError
        If the application ends before the work does.
    """
    application = QCoreApplication.instance()
    if application is None or application.thread() is not QThread.currentThread():
        return work(*args, **kwargs)
    loop, timer = QEventLoop(), QTimer()
    pool = ThreadPoolExecutor(1, thread_name_prefix="wsiseg-open")
    running = pool.submit(work, *args, **kwargs)
    pool.shutdown(wait=False)
    timer.timeout.connect(lambda: loop.quit() if running.done() else None)
    timer.start(_PATIENCE_MS)
    loop.exec()
    timer.stop()
    if not running.done():
        raise ArgumentError("the window was closed")
    return running.result()

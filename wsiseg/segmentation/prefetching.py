"""Prefetching: the next slide of a batch is opened while the current one is still written."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from wsiseg.tiling.slides import Slide
from wsiseg.tiling.tissue import ProgressCallback, TissueMask

Item = TypeVar("Item")


@dataclass(frozen=True)
class OpenedSlide:
    """A slide to work on.

    Attributes
    ----------
    slide : Slide
        Open.
    tissue : TissueMask or None
        Where its tissue lies, if it was prefetched; None if nobody has looked yet.
    seconds : float
        Seconds that opening it and finding its tissue took.
    """

    slide: Slide
    tissue: TissueMask | None
    seconds: float


@contextmanager
def open_timed(item: Item, open_slide: Callable[[Item], Slide]) -> Iterator[OpenedSlide]:
    """Open a slide, measure how long that takes, and close it afterwards.

    Parameters
    ----------
    item : object
        What stands for the slide.
    open_slide : callable
        Takes the item and returns an open Slide.
    """
    start = time.perf_counter()
    with open_slide(item) as slide:
        yield OpenedSlide(slide, None, time.perf_counter() - start)


class SlidePrefetcher(Generic[Item]):
    """Opens slides in order, one of them in advance in a thread.

    Parameters
    ----------
    items : iterable
        What stands for the slides: paths, jobs.
    open_slide : callable
        Takes an item and returns an open Slide.
    find_area : callable
        Takes the item, the open slide and a progress callback, which may raise to cancel; returns
        where its tissue lies.  It is called in a thread.
    """

    def __init__(
        self,
        items: Iterable[Item],
        open_slide: Callable[[Item], Slide],
        find_area: Callable[[Item, Slide, ProgressCallback], TissueMask | None],
    ) -> None:
        self._items = deque(items)
        self._open_slide = open_slide
        self._find_area = find_area
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="wsiseg-open")
        self._ahead: Future[OpenedSlide] | None = None
        self._ending = threading.Event()

    @property
    def is_last(self) -> bool:
        """Whether no slide follows."""
        return not self._items

    def prefetch_next(self) -> None:
        """Begin to open the next slide and find its tissue in a thread, if there is one."""
        if self._items:
            self._ahead = self._pool.submit(self._prepare, self._items.popleft())

    @contextmanager
    def next(self) -> Iterator[OpenedSlide]:
        """Give the next slide, opened now if it was not prefetched, and close it afterwards.

        Raises
        ------
        WsisegError
            If it cannot be opened, or its tissue cannot be found.
        """
        if self._ahead is None:
            with open_timed(self._items.popleft(), self._open_slide) as ready:
                yield ready
            return
        begun = self._ahead
        try:
            ready = begun.result()
        finally:
            # Whoever is interrupted while waiting leaves it to be closed at the end.
            if begun.done():
                self._ahead = None
        with ready.slide:
            yield ready

    def pass_by(self) -> None:
        """Leave out the next slide; if it was prefetched, it is closed."""
        if self._ahead is None:
            self._items.popleft()
        else:
            self._ahead.add_done_callback(_close)
            self._ahead = None

    def _prepare(self, item: Item) -> OpenedSlide:
        start = time.perf_counter()
        with ExitStack() as stack:
            slide = stack.enter_context(self._open_slide(item))
            tissue = self._find_area(item, slide, self._go_on)
            stack.pop_all()
        return OpenedSlide(slide, tissue, time.perf_counter() - start)

    def _go_on(self, _: float) -> None:
        if self._ending.is_set():
            raise CancelledError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ending.set()
        # Who interrupts a search for tissue does not wait for its end.
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        self._pool.shutdown(wait=not interrupted, cancel_futures=True)
        if self._ahead is not None:
            self._ahead.add_done_callback(_close)


def _close(ahead: Future[OpenedSlide]) -> None:
    if not ahead.cancelled() and ahead.exception() is None:
        ahead.result().slide.close()

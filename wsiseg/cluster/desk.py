"""The desk: hands orders to free workers, one each, and hears what becomes of them.

An order is tied to its worker.  One whose worker is lost is not repeated by dask, which would begin
it from the start; the clerk says what is left of it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from distributed import KilledWorker

from wsiseg.cluster.messages import Mailbox, Message, StoppedError, unanswered
from wsiseg.cluster.workforce import Workforce
from wsiseg.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Future

_PAUSE = 0.03
"""Seconds between two looks."""

_FETCHING = 60.0
"""Seconds that a result may take from its worker: dask would wait for a lost one for ever."""

_LOOK = 0.5
"""Seconds between two looks at who is there, while nothing else happens."""


class Order(Protocol):
    """What a worker is to do."""

    @property
    def key(self) -> str:
        """The name of this attempt."""


Due = TypeVar("Due", bound=Order)


class Clerk(Protocol[Due]):
    """Knows what orders mean."""

    def heard(self, order: Due, worker: str, message: Message) -> None:
        """Take what a worker says; raising ends the run.

        Parameters
        ----------
        order : Order
            What the worker had to do.
        worker : str
            Its address.
        message : Message
            What it says.
        """

    def ended(self, order: Due, worker: str, result: Any) -> Iterable[Due]:
        """Take what an order ended with; return further ones.  Raising ends the run.

        Parameters
        ----------
        order : Order
            What the worker had to do.
        worker : str
            Its address.
        result : object
            What the task returned.
        """

    def lost(self, order: Due, worker: str) -> Iterable[Due]:
        """Take that the worker of an order is lost; return what is to be done again.

        Parameters
        ----------
        order : Order
            What the worker had to do.
        worker : str
            Its address.
        """

    def heartbeat(self) -> None:
        """Hear now and then that the work goes on; raising ends the run."""

    def waiting(self) -> None:
        """Hear once that there is no worker."""


@dataclass
class _Running(Generic[Due]):
    order: Due
    worker: str
    future: Future[Any]


class Desk(Generic[Due]):
    """Serves one kind of orders.

    Parameters
    ----------
    cluster : Workforce
        Connected and checked.
    mailbox : Mailbox
        In which workers leave their messages.
    task : callable
        Carries out an order, in a worker.
    clerk : Clerk
        Knows what they mean.
    """

    def __init__(
        self, cluster: Workforce, mailbox: Mailbox, task: Callable[[Due], Any], clerk: Clerk[Due]
    ) -> None:
        self._cluster, self._client = cluster, cluster.client
        self._mailbox, self._task, self._clerk = mailbox, task, clerk
        self._running: dict[str, _Running[Due]] = {}
        self._known: dict[str, tuple[Due, str]] = {}
        self._looked = float("-inf")
        self._workers: Collection[str] = ()

    def serve(self, orders: Iterable[Due]) -> Iterator[None]:
        """Let orders be carried out, until none is left.

        Yields
        ------
        None
            Now and then, so that what has ended can be passed on.  When closed, or if anything is
            raised, what is under way is given up.

        Raises
        ------
        ClusterError
            If the scheduler does not answer any more.
        """
        waiting = deque(orders)
        alone = False
        try:
            while waiting or self._running:
                self._look()
                if not self._workers and not alone:
                    self._clerk.waiting()
                alone = not self._workers
                self._hand_out(waiting)
                self._listen()
                waiting.extendleft(reversed(self._settle()))
                self._clerk.heartbeat()
                yield
                time.sleep(_PAUSE)
        finally:
            self._withdraw()

    def _look(self) -> None:
        """Find out which workers there are."""
        if self._client.status != "running":
            raise unanswered()
        if time.monotonic() - self._looked < _LOOK:
            return
        self._looked = time.monotonic()
        self._workers = self._cluster.addresses()

    def _hand_out(self, waiting: deque[Due]) -> None:
        busy = {each.worker for each in self._running.values()}
        for worker in sorted(set(self._workers) - busy):
            if not waiting:
                return
            order = waiting.popleft()
            future = self._client.submit(
                self._task, order, key=order.key, workers=[worker], pure=False, retries=0
            )
            self._running[order.key] = _Running(order, worker, future)
            self._known[order.key] = order, worker

    def _listen(self) -> None:
        for letter in self._mailbox.take():
            if letter.order in self._known:
                order, worker = self._known[letter.order]
                self._clerk.heard(order, worker, letter.message)

    def _settle(self) -> list[Due]:
        """Take what has ended, and return what follows from it."""
        ended = [each for each in self._running.values() if each.future.done()]
        lost = [
            each
            for each in self._running.values()
            if each.worker not in self._workers and not each.future.done()
        ]
        if ended or lost:
            # All that they said before.
            self._listen()
        found: list[Due] = []
        for each in (*ended, *lost):
            del self._running[each.order.key]
            found += self._follow(each)
        return found

    def _follow(self, each: _Running[Due]) -> Iterable[Due]:
        future = each.future
        if future.status == "finished" and (fetched := _fetch(future)) is not None:
            return self._clerk.ended(each.order, each.worker, fetched[0])
        error = future.exception() if future.status == "error" else None
        self._give_up(future)
        if error is None and self._client.status != "running":
            raise unanswered()
        if error is None or isinstance(error, KilledWorker | StoppedError | OSError):
            self._looked = float("-inf")
            return self._clerk.lost(each.order, each.worker)
        if isinstance(error, ImportError):
            raise ClusterError(
                f"the worker {each.worker} lacks a package: {error}",
                None,
                "Install wsiseg there as here.",
            ) from error
        raise error

    def _withdraw(self) -> None:
        """Take back what is still running; the workers notice it at their next tile."""
        for each in self._running.values():
            self._give_up(each.future)
        self._running.clear()

    def _give_up(self, future: Future[Any]) -> None:
        # Without a scheduler there is nobody to tell, and what went wrong is to be heard of.
        if self._client.status == "running":
            future.cancel(force=True)


def _fetch(future: Future[Any]) -> tuple[Any] | None:
    """Return the result of a task that has finished; None if its worker is gone with it."""
    try:
        return (future.result(timeout=_FETCHING),)
    except (OSError, CancelledError):
        return None

"""The workers of a cluster: how many there are, and what they answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, TypeVar

from wsiseg.cluster.messages import unanswered
from wsiseg.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")


class Workforce:
    """Workers that carry out orders; made by :func:`wsiseg.cluster.open_cluster`.

    Parameters
    ----------
    client : Client
        Connected.
    local : bool
        Whether the workers are processes of this program's on this machine.

    Attributes
    ----------
    client : Client
        Connected.
    local : bool
        As given.
    """

    def __init__(self, client: Client, *, local: bool) -> None:
        self.client = client
        self.local = local

    def count(self) -> int:
        """Return how many workers there are now, at least one: some may still be starting."""
        return max(1, len(self.addresses()))

    def addresses(self) -> frozenset[str]:
        """Return the addresses of the workers that there are now.

        Raises
        ------
        ClusterError
            If the scheduler does not answer any more.
        """
        # Of a client that has given up, asking would be an error of its own.
        if self.client.status != "running":
            raise unanswered()
        try:
            return frozenset(self.client.nthreads())
        except OSError as error:
            raise unanswered() from error

    def ask(self, task: Callable[..., T], *arguments: object) -> T:
        """Return what one worker, whichever is free, answers.

        Parameters
        ----------
        task : callable
            Run in a worker.
        *arguments
            What it takes.

        Raises
        ------
        ClusterError
            If the worker is lost, or the scheduler.
        """
        from distributed import KilledWorker

        future = self.client.submit(task, *arguments, pure=False)
        try:
            found: T = future.result()
        except (OSError, RuntimeError, CancelledError, KilledWorker) as error:
            raise ClusterError(
                f"a worker gave no answer: {first_line(error)}", None, "Look at its log."
            ) from error
        return found

    def worker_pids(self) -> dict[str, int]:
        """Return the processes of the workers by their addresses."""
        return dict(self.client.run(os.getpid, on_error="ignore"))


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its kind where it says nothing.

    It has no full stop, as messages set their own.
    """
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")

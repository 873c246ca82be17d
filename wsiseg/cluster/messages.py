"""What a worker says while it works, in the order in which it says it.

Messages wait at the scheduler until the driver takes them.  A worker goes on only when the
scheduler has what it said, so that nothing that was said is lost with the worker.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wsiseg.errors import ClusterError
from wsiseg.store.journal import BandRecord
from wsiseg.throughput.recorder import TileRow


@dataclass(frozen=True)
class Began:
    """An order was taken up.

    Attributes
    ----------
    host : str
        Name of the machine.
    pid : int
        The worker's process.
    device : str
        What runs the network.
    threads : int
        CPU threads of the network.
    processor : str
        What the machine's processor calls itself.
    """

    host: str
    pid: int
    device: str
    threads: int
    processor: str


@dataclass(frozen=True)
class TileDone:
    """A tile is through the network, or could not be read.

    Attributes
    ----------
    row : TileRow
        Its seconds and status.
    unread : str or None
        Why it could not be read, if so.
    """

    row: TileRow
    unread: str | None


@dataclass(frozen=True)
class TileDelay:
    """What a tile took after it was said to be done.

    Attributes
    ----------
    index : int
        The tile.
    stitch_ms, write_ms : float
        Milliseconds of making its bands, and of waiting for the disk.
    """

    index: int
    stitch_ms: float
    write_ms: float


@dataclass(frozen=True)
class BandDone:
    """A band is on disk.

    Attributes
    ----------
    record : BandRecord
        For the journal, without rows of tiles.
    """

    record: BandRecord


@dataclass(frozen=True)
class Called:
    """An event of a slide for the listener of the driver.

    Attributes
    ----------
    event : str
        Name of the listener's method.
    arguments : tuple
        What it takes.
    """

    event: str
    arguments: tuple[Any, ...]


Message = Began | TileDone | TileDelay | BandDone | Called


@dataclass(frozen=True)
class Letter:
    """A message with its sender.

    Attributes
    ----------
    order : str
        Key of the order that the worker was carrying out.
    worker : str
        The worker's address.
    message : Message
        What it said.
    """

    order: str
    worker: str
    message: Message


class StoppedError(Exception):
    """The driver does not want the work of this worker any more."""


class Mailbox:
    """A queue at the scheduler, for letters of all workers to one driver.

    Parameters
    ----------
    name : str
        Of the run; nobody else uses it.
    client : distributed.Client, optional
        The driver's.  In a worker's task, its own is found.
    """

    def __init__(self, name: str, client: Any = None) -> None:
        from distributed import Queue

        self._queue = Queue(name, client=client)

    def post(self, letter: Letter) -> None:
        """Say something; return when the scheduler has it."""
        self._queue.put(pickle.dumps(letter))

    def take(self) -> list[Letter]:
        """Return what has been said since the last call.

        Raises
        ------
        ClusterError
            If the scheduler does not answer.
        """
        try:
            return [pickle.loads(each) for each in self._queue.get(batch=True)]
        except OSError as error:
            raise unanswered() from error

    def close(self) -> None:
        """Forget the queue."""
        self._queue.close()


def unanswered() -> ClusterError:
    """Return the error of a driver whose scheduler is gone."""
    return ClusterError("the scheduler does not answer any more", None, "Continue with `resume`.")


Say = Callable[[Message | None], None]
"""Says something to the driver, or nothing; raises :class:`StoppedError` if nobody listens."""

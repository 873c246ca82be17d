"""A worker's bench: one compiled network per process, and the slide that it works on."""

from __future__ import annotations

import importlib.metadata
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from distributed import Worker
from distributed.diagnostics.plugin import WorkerPlugin

from wsiseg.checkpoints import take_checkpoint
from wsiseg.cluster.orders import CheckpointReference, RuntimeWish, SlideReference, as_text
from wsiseg.errors import CheckpointError, ClusterError, RuntimeUnavailableError, WsisegError
from wsiseg.models.runtimes import Predictor, choose_runtime
from wsiseg.remote.addresses import mask_all
from wsiseg.tiling.slides import Slide, open_slide

NAME = "wsiseg"
"""Of the plug-in, by which tasks find it."""


@dataclass
class _Held:
    """What a bench holds."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    predictor: tuple[object, Predictor] | None = None
    slide: tuple[SlideReference, Slide] | None = None


class Bench(WorkerPlugin):
    """Holds what a worker process keeps from one order to the next.

    There is one network in it at a time, and one order is carried out at a time, however many
    threads the worker has: the network uses them all.
    """

    name = NAME
    # Of several drivers at one scheduler the first brings it; the others find it.
    idempotent = True

    def setup(self, worker: Worker) -> None:
        """Take a place in a worker."""
        self._threads = int(worker.state.nthreads)
        self._held = _Held()

    def teardown(self, worker: Worker) -> None:
        """Close the slide."""
        self._put_slide_away()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait until no other order is carried out, and let none begin meanwhile."""
        with self._held.lock:
            yield

    @property
    def threads(self) -> int:
        """CPU threads that this worker has."""
        return self._threads

    def predictor(self, reference: CheckpointReference, wish: RuntimeWish) -> Predictor:
        """Return the network of a checkpoint, which is compiled once.

        Parameters
        ----------
        reference : CheckpointReference
            The checkpoint; its hash is checked.
        wish : RuntimeWish
            What is to run it.  A device such as ``cuda`` is this worker's own.

        Raises
        ------
        ClusterError
            If this machine cannot do it.
        """
        asked = reference, wish
        if self._held.predictor is None or self._held.predictor[0] != asked:
            self._held.predictor = None
            self._held.predictor = asked, self._make(reference, wish)
        return self._held.predictor[1]

    def _make(self, reference: CheckpointReference, wish: RuntimeWish) -> Predictor:
        here = socket.gethostname()
        try:
            checkpoint = take_checkpoint(reference.source)
            threads = wish.threads or self._threads
            choice = choose_runtime(wish.runtime, wish.device, wish.precision, threads)
        except (CheckpointError, RuntimeUnavailableError) as error:
            raise ClusterError(
                f"the worker on {here} cannot run the network: {error.what}",
                error.where,
                error.hint,
            ) from error
        if checkpoint.sha256 != reference.sha256:
            raise ClusterError(
                f"the checkpoint differs on {here}",
                reference.source,
                "Give all machines the same file.",
            )
        return Predictor(checkpoint, choice)

    def slide(self, reference: SlideReference) -> Slide:
        """Return a slide, open; the one that was used before is closed.

        Parameters
        ----------
        reference : SlideReference
            The slide; its fingerprint is checked.

        Raises
        ------
        ClusterError
            If this machine does not have it.
        """
        if self._held.slide is None or self._held.slide[0] != reference:
            self._put_slide_away()
            self._held.slide = reference, _open(reference)
        return self._held.slide[1]

    def _put_slide_away(self) -> None:
        if self._held.slide is not None:
            self._held.slide[1].close()
            self._held.slide = None


def _open(reference: SlideReference) -> Slide:
    host, where = socket.gethostname(), mask_all(reference.place)
    try:
        slide = open_slide(
            reference.place,
            reference.reader,
            slide_mpp=reference.slide_mpp,
            override_mpp=reference.override_mpp,
        )
    except WsisegError as error:
        raise ClusterError(
            f"the worker on {host} cannot open the slide: {error.what}",
            where,
            "Workers need the slides and the output folder under the same paths as here.",
        ) from error
    if as_text(slide.fingerprint()) != reference.fingerprint:
        slide.close()
        raise ClusterError(
            f"the slide differs on {host}",
            where,
            "Give all machines the same file.",
        )
    return slide


def check_version(wanted: str) -> None:
    """Refuse to work for a driver of another version, which may mean something else.

    Parameters
    ----------
    wanted : str
        The driver's.

    Raises
    ------
    ClusterError
        If this one is another.
    """
    here = importlib.metadata.version("wsiseg")
    if here != wanted:
        raise ClusterError(
            f"the worker on {socket.gethostname()} has wsiseg {here}, this is {wanted}",
            None,
            f"Install there: pip install 'wsiseg[cluster]=={wanted}'.",
        )


def find_bench(worker: Worker) -> Bench:
    """Return the bench of a worker.

    Raises
    ------
    ClusterError
        If it has none.
    """
    bench = worker.plugins.get(NAME)
    if not isinstance(bench, Bench):
        raise ClusterError(
            f"the worker {worker.address} has not been prepared", None, "Start it again."
        )
    return bench

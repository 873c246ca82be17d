"""Connects to a scheduler, or starts workers on this machine, and checks that they can work."""

from __future__ import annotations

import atexit
import importlib
import importlib.metadata
import json
import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wsiseg.cluster.options import ClusterOptions
from wsiseg.cluster.workforce import Workforce, first_line
from wsiseg.error_translation import translate_errors
from wsiseg.errors import ClusterError, RuntimeUnavailableError
from wsiseg.segmentation.filling import Fill
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.segmentation.slide_jobs import Execution

if TYPE_CHECKING:
    from distributed import Client

_PATIENCE = 10.0
"""Seconds to wait for a scheduler."""


class Cluster(Workforce):
    """Workers that fill masks; made by :func:`open_cluster`."""

    def prepare(self, job: Job, stats: RunStats) -> Fill:
        """Make ready to fill a mask: see :func:`wsiseg.segmentation.segmenting.segment_slide`.

        Parameters
        ----------
        job : Job
            The slide, its settings and its plan.
        stats : RunStats
            Counts what is done.
        """
        from wsiseg.cluster.bands import fill_on_cluster

        return fill_on_cluster(self, job, stats)

    def execution(self, listener: Listener) -> Execution:
        """Return what runs the jobs of a cohort.

        Parameters
        ----------
        listener : Listener
            Receives the events of the run.
        """
        from wsiseg.cluster.executing import OnCluster

        return OnCluster(self, listener)


@contextmanager
def open_cluster(
    scheduler: str | None = None, workers: int | None = None, *, threads: int | None = None
) -> Iterator[Cluster]:
    """Connect to a scheduler, or start workers on this machine.

    Parameters
    ----------
    scheduler : str, optional
        Address of a dask.distributed scheduler, or the file that it wrote.
    workers : int, optional
        Processes to start on this machine in its place.
    threads : int, optional
        CPU threads of each of these processes; the cores are shared out if left out.

    Yields
    ------
    Cluster
        Its workers have this version of wsiseg.

    Raises
    ------
    ArgumentError
        If neither is named, or both are.
    RuntimeUnavailableError
        If dask.distributed is not installed.
    ClusterError
        If the scheduler does not answer, or a worker lacks this version of wsiseg.
    """
    options = ClusterOptions(scheduler=scheduler, workers=workers)
    _require_distributed()
    with ExitStack() as stack:
        stack.enter_context(_quietly())
        if options.scheduler is not None:
            client = stack.enter_context(_connect(options.scheduler))
        else:
            from distributed import Client

            from wsiseg.cluster.local import start_local_cluster

            started = stack.enter_context(start_local_cluster(options.workers or 1, threads))
            client = stack.enter_context(Client(started, set_as_default=False))
        _make_ready(client)
        yield Cluster(client, local=options.scheduler is None)


def _require_distributed() -> None:
    try:
        importlib.import_module("distributed")
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"dask.distributed is not installed: {error}",
            None,
            "Run: pip install 'wsiseg[cluster]'.",
        ) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep libraries from logging tracebacks of what is told in one line."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    except KeyboardInterrupt:
        # The program ends, and workers notice it; what is half begun cannot be closed in order.
        from distributed.deploy.spec import close_clusters

        atexit.unregister(close_clusters)
        raise
    except BaseException:
        _set_levels(loggers, before)
        raise
    _set_levels(loggers, before)


def _set_levels(loggers: Sequence[logging.Logger], levels: Sequence[int]) -> None:
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@contextmanager
def _connect(scheduler: str) -> Iterator[Client]:
    from distributed import Client

    address = _find_address(scheduler)
    answered: queue.Queue[Client | BaseException] = queue.Queue()

    def ask() -> None:
        try:
            answered.put(Client(address, timeout=_PATIENCE, set_as_default=False))
        # Whatever reading an address or a file stumbles over, the user named no scheduler.
        except Exception as error:
            answered.put(error)

    # What listens there may be no scheduler, and never say so.
    threading.Thread(target=ask, name="wsiseg-connect", daemon=True).start()
    try:
        found = answered.get(timeout=_PATIENCE + 2)
    except queue.Empty:
        found = TimeoutError(f"no answer in {_PATIENCE:.0f} s")
    if isinstance(found, BaseException):
        raise ClusterError(
            f"the scheduler does not answer: {first_line(found)}",
            scheduler,
            "Start one with 'dask scheduler', or have workers here with `workers`.",
        ) from found
    with found:
        yield found


def _find_address(scheduler: str) -> str:
    """Return an address as it is, or the one that a scheduler wrote to a file."""
    file = Path(scheduler)
    if ":" in scheduler and not file.exists():
        return scheduler
    hint = "An address looks like tcp://HOST:8786; a scheduler writes a file where it is told to."
    if not file.is_file():
        raise ClusterError("there is no such scheduler file", scheduler, hint)
    with translate_errors(
        lambda why: ClusterError(f"this is not a scheduler file: {why}", scheduler, hint)
    ):
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        if not isinstance(address, str):
            raise TypeError("its address is not text")
    return address


def _make_ready(client: Client) -> None:
    """Check that all workers have this version, and give each of them a bench."""
    from wsiseg.cluster.bench import Bench

    here = importlib.metadata.version("wsiseg")
    # A function that every Python has, so that it can be asked of whoever lacks ours.
    found = client.run(importlib.metadata.version, "wsiseg", on_error="return")
    for worker, version in found.items():
        if version != here:
            has = f"wsiseg {version}" if isinstance(version, str) else "no wsiseg"
            raise ClusterError(
                f"the worker has {has}, this is {here}",
                worker,
                f"Install there: pip install 'wsiseg[cluster]=={here}'.",
            )
    client.register_plugin(Bench())

"""A cluster of processes on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dask.config

from wsiseg.models.runtimes.choosing import usable_cores

if TYPE_CHECKING:
    from distributed import LocalCluster

_QUIET = {
    # What a user is to know of workers, this program says itself.
    "logging": {"distributed": "critical"},
    # A network that computes does not answer for seconds.
    "distributed.admin.tick.limit": "1h",
    "distributed.comm.timeouts.connect": "30s",
}


@contextmanager
def start_local_cluster(workers: int, threads: int | None) -> Iterator[LocalCluster]:
    """Start processes on this machine, and end them afterwards.

    Parameters
    ----------
    workers : int
        How many.
    threads : int or None
        CPU threads of each; the cores are shared out if left out.
    """
    share = threads or max(1, usable_cores() // workers)
    with tempfile.TemporaryDirectory(prefix="wsiseg-workers-") as folder, dask.config.set(_QUIET):
        from distributed import LocalCluster

        with LocalCluster(
            n_workers=workers,
            threads_per_worker=share,
            processes=True,
            # Our own budget holds for each of them, and nobody else may connect.
            memory_limit=None,
            host="127.0.0.1",
            # No dashboard; its server takes any free port, as another cluster may run here.
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            worker_dashboard_address=None,
            local_directory=folder,
            silence_logs="CRITICAL",
        ) as cluster:
            yield cluster

"""Bands to the disk while the network goes on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np

from wsiseg.store.journal import BandRecord, Journal
from wsiseg.store.masks import MaskStore
from wsiseg.throughput.recorder import TileRow
from wsiseg.tiling.stitching import UNSEEN, Band


class BandWriter:
    """Writes bands behind the network's back, one at a time and in order.

    Parameters
    ----------
    store : MaskStore
        Where to.
    journal : Journal
        Told of each band once it is on the disk.
    classes : int
        Number of classes.

    Attributes
    ----------
    counts : ndarray
        int64 ``(classes,)``, pixels of each class written so far.
    """

    def __init__(self, store: MaskStore, journal: Journal, classes: int) -> None:
        self.counts = np.zeros(classes, np.int64)
        self._store = store
        self._journal = journal
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="wsiseg-write")
        self._running: Future[None] | None = None

    def write(self, band: Band, rows: list[TileRow]) -> None:
        """Begin writing a band and its tiles' rows, once the one before is on the disk.

        Raises
        ------
        OutputError
            If the band before could not be written.
        """
        self.wait()
        self._running = self._pool.submit(self._write, band, rows)

    def _write(self, band: Band, rows: list[TileRow]) -> None:
        self._store.write(band)
        counts = np.bincount(band.labels.ravel(), minlength=UNSEEN + 1)[: len(self.counts)]
        self.counts += counts
        self._journal.record(BandRecord(band.box, counts.tolist(), rows))

    def wait(self) -> None:
        """Return when everything is on the disk."""
        if self._running is not None:
            running, self._running = self._running, None
            running.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

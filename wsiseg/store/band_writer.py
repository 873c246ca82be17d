"""Writes bands to disk in a thread, while the network continues."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, Self

import numpy as np

from wsiseg.store.arrays import BANDS_AHEAD
from wsiseg.store.checking import checksum, count_labels
from wsiseg.store.journal import BandRecord
from wsiseg.store.masks import MaskStore
from wsiseg.throughput.recorder import TileRow
from wsiseg.tiling.bands import Band


class Recorder(Protocol):
    """Gets to know of bands that are on disk: a journal, or what passes on to one."""

    def record(self, record: BandRecord) -> None:
        """Take the record of a band; return when it cannot be lost any more."""


class BandWriter:
    """Writes bands in a thread, one at a time and in order, and records each in the journal.

    Parameters
    ----------
    store : MaskStore
        The mask.
    journal : Recorder
        Gets a record of each band once it is on disk.
    classes : int
        Number of classes.

    Attributes
    ----------
    counts : ndarray
        int64 ``(classes,)``, pixels of each class written so far.
    """

    def __init__(self, store: MaskStore, journal: Recorder, classes: int) -> None:
        self.counts = np.zeros(classes, np.int64)
        self._store = store
        self._journal = journal
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="wsiseg-write")
        self._running: deque[Future[None]] = deque()

    def write(self, band: Band, rows: list[TileRow]) -> None:
        """Queue a band for writing; wait while :data:`BANDS_AHEAD` are queued.

        Parameters
        ----------
        band : Band
            Finished rows of the mask.
        rows : list of TileRow
            The tiles since the band before, for the journal.

        Raises
        ------
        OutputError
            If an earlier band could not be written.
        """
        self.wait(BANDS_AHEAD - 1)
        self._running.append(self._pool.submit(self._write, band, rows))

    def _write(self, band: Band, rows: list[TileRow]) -> None:
        self._store.write(band)
        # A band that no tile touched has nothing to count, and nothing on the disk.
        counts = (
            count_labels(band.labels, len(self.counts)) if band.touched else [0] * len(self.counts)
        )
        self.counts += counts
        kept = {"labels": band.labels, **band.companions} if band.touched else {}
        sums = {f"{name}_crc32": checksum(planes) for name, planes in kept.items()}
        record = BandRecord(band.box, counts, rows, **sums)
        self._journal.record(record)

    def wait(self, remaining: int = 0) -> None:
        """Wait until all bands but the last `remaining` are on disk."""
        while len(self._running) > remaining:
            self._running.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

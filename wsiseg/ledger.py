"""What happened in a run so far."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wsiseg.errors import WsisegError
from wsiseg.job import Job
from wsiseg.store.disk import Json
from wsiseg.store.journal import BandRecord
from wsiseg.streaming import Step
from wsiseg.throughput.recorder import Stopwatch, TileRow
from wsiseg.tiling.boxes import Box


class Listener:
    """Hears how a run goes, from the thread that runs; this one does nothing."""

    def planned(self, job: Job) -> None:
        """Hear what will be done."""

    def began(self, stage: str) -> None:
        """Hear that something began that may take a while, other than tiles."""

    def advanced(self, pixels: int) -> None:
        """Hear that one more tile is done, and how many working pixels it settles."""

    def warned(self, text: str) -> None:
        """Hear of something that was left out or assumed."""

    def finished(self, summary: Json) -> None:
        """Hear that a slide is done."""

    def failed(self, path: Path, error: WsisegError) -> None:
        """Hear that a slide failed and the next one begins."""


class Ledger:
    """Keeps count of tiles, pixels, seconds and warnings of one slide.

    Parameters
    ----------
    classes : int
        Number of classes.
    listener : Listener
        Told of everything as it happens.
    """

    def __init__(self, classes: int, listener: Listener) -> None:
        self.watch = Stopwatch()
        self.counts = np.zeros(classes, np.int64)
        self.warnings: list[str] = []
        self.analysed_pixels = 0
        self.setup_seconds = 0.0
        self.filled_at = 0.0
        self._listener = listener
        self._rows: dict[int, TileRow] = {}
        self._recalled: dict[int, TileRow] = {}
        self._fresh: list[TileRow] = []

    def warn(self, text: str) -> None:
        """Note something that was left out or assumed."""
        self.warnings.append(text)
        self._listener.warned(text)

    def recall(self, record: BandRecord) -> None:
        """Take over a band that an interrupted run left."""
        self.counts += record.counts
        self._recalled.update((row.index, row) for row in record.rows)

    def note(self, step: Step, window: Box) -> None:
        """Take down one step of the stream."""
        if step.read is None or step.row is None:
            return
        before = self._rows.get(step.row.index)
        if before is not None:
            step.row.add(before)
        self._rows[step.row.index] = step.row
        self._fresh.append(step.row)
        if step.read.error is not None and before is None:
            tile = step.read.tile
            self.warn(
                f"tile {tile.index} at y={tile.box.y}, x={tile.box.x} is not analysed: "
                f"{step.read.error.what}"
            )
        settled = step.read.tile.core.intersection(window).area
        self.analysed_pixels += settled
        self._listener.advanced(settled)

    def take_rows(self) -> list[TileRow]:
        """Return the rows since this was last asked."""
        rows, self._fresh = self._fresh, []
        return rows

    @property
    def rows(self) -> list[TileRow]:
        """The tiles of this run, by index."""
        return [self._rows[index] for index in sorted(self._rows)]

    @property
    def all_rows(self) -> list[TileRow]:
        """The tiles of this run and of an interrupted one before it, by index."""
        rows = self._recalled | self._rows
        return [rows[index] for index in sorted(rows)]

    @property
    def unread_tiles(self) -> int:
        """How many tiles could not be read."""
        return sum(row.status == "unread" for row in self.all_rows)

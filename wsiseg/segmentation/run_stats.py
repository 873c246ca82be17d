"""Statistics of a run: tiles, pixels, seconds and warnings, passed on as events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from zarr.types import AnyArray

from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.streaming import Step
from wsiseg.store.disk import Json
from wsiseg.store.journal import BandRecord
from wsiseg.throughput.recorder import Stopwatch, TileRow
from wsiseg.tiling.bands import Prediction
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile


class RunStats:
    """Counts tiles, pixels, seconds and warnings of one slide, and notifies a listener.

    Parameters
    ----------
    classes : int
        Number of classes.
    listener : Listener
        Receives everything as an event.
    elapsed : float
        Seconds that the slide has taken before.

    Attributes
    ----------
    watch : Stopwatch
        Runs since the slide was opened.
    counts : ndarray
        int64 ``(classes,)``: pixels of each class, those of an interrupted run included.
    warnings : list of str
        What was left out or assumed, one sentence each.
    written_pixels : int
        Pixels that this run has labelled.
    computed_pixels : int
        Pixels of the tiles that this run took through the network; where column stripes meet, some
        twice.
    still_held : callable
        Raises if the lock of the output was lost.
    setup_seconds : float
        Seconds that preparing the network took.
    predicted_at : float
        Seconds after which the last tile was through the network.
    workers : list of dict
        Who did what, where others than this process did it; for the run file.
    peak_elsewhere_mb : float
        The most memory that any of them took, in MiB.
    """

    def __init__(self, classes: int, listener: Listener, elapsed: float = 0.0) -> None:
        self.watch = Stopwatch(elapsed)
        self.counts = np.zeros(classes, np.int64)
        self.warnings: list[str] = []
        self.written_pixels = self.computed_pixels = 0
        self.setup_seconds = 0.0
        self.predicted_at = 0.0
        self.workers: list[Json] = []
        self.peak_elsewhere_mb = 0.0
        self.still_held: Callable[[], None] = lambda: None
        self._listener = listener
        self._rows: dict[int, TileRow] = {}
        self._resumed: dict[int, TileRow] = {}
        self._fresh: list[TileRow] = []

    def warn(self, text: str) -> None:
        """Add a warning: something was left out or assumed."""
        self.warnings.append(text)
        self._listener.warned(text)

    def record_resumed(self, record: BandRecord, labels: AnyArray) -> None:
        """Count a band that an interrupted run has finished.

        Parameters
        ----------
        record : BandRecord
            Its record in the journal.
        labels : zarr.Array
            uint8 ``(H, W)``: level 0 of the mask, in which it is on disk.
        """
        self._listener.resumed(record.box, labels)
        self.counts += record.counts
        self._resumed = _joined(self._resumed, {row.index: row for row in record.rows})
        for row in record.rows:
            if row.status == "unread":
                self.warn(f"tile {row.index} at y={row.y}, x={row.x} was not analysed before")

    def record_step(self, step: Step, window: Box) -> None:
        """Count one step of the stream.

        Parameters
        ----------
        step : Step
            A tile that is through the network, or could not be read.
        window : Box
            The part of the plane that is being filled; pixels outside it do not count.
        """
        if step.read is None or step.row is None:
            return
        error = step.read.error
        self.record_tile(
            step.row, step.read.tile, window, None if error is None else error.what, step.prediction
        )

    def record_tile(
        self,
        row: TileRow,
        tile: Tile,
        window: Box,
        unread: str | None,
        prediction: Prediction | None = None,
    ) -> None:
        """Count one tile, done here or by somebody else.

        Parameters
        ----------
        row : TileRow
            Its seconds; those of the same tile in other windows are added.
        tile : Tile
            Its place in the plan.
        window : Box
            The part of the plane that is being filled; pixels outside it do not count.
        unread : str or None
            Why it could not be read, if so.
        prediction : Prediction or None
            The network's output, where it is at hand.
        """
        row.finished_s = self.watch.total
        before = self._rows.get(row.index)
        if before is not None:
            row.add(before)
        self._rows[row.index] = row
        self._fresh.append(row)
        if unread is not None and before is None:
            self.warn(
                f"tile {tile.index} at y={tile.box.y}, x={tile.box.x} is not analysed: {unread}"
            )
        if unread is None:
            self.computed_pixels += tile.box.area
        if prediction is not None:
            self._listener.labelled(tile, prediction)
        self._listener.advanced(tile.core.intersection(window).area)

    def record_delay(self, index: int, stitch_ms: float, write_ms: float) -> None:
        """Add what a tile took after it was counted.

        Parameters
        ----------
        index : int
            The tile.
        stitch_ms, write_ms : float
            Milliseconds of making its bands, and of waiting for the disk.
        """
        row = self._rows[index]
        row.stitch_ms += stitch_ms
        row.write_ms += write_ms

    @contextmanager
    def timed_write(self, step: Step) -> Iterator[None]:
        """Measure how long a tile waits for the disk, as a context manager."""
        self.still_held()
        waiting = Stopwatch()
        yield
        if step.row is not None:
            step.row.write_ms += waiting.total * 1e3

    def record_written(self, counts: npt.NDArray[np.int64]) -> None:
        """Count the pixels of each class, int64 ``(classes,)``, that this run has written."""
        self.counts += counts
        self.written_pixels = int(counts.sum())

    def warn_of_bad_numbers(self) -> None:
        """Warn of pixels for which the network gave NaN or infinity, in this run or before it."""
        bad = [row for row in self.all_rows if row.without_numbers]
        if bad:
            self.warn(
                f"the network gave NaN or infinity for {self.pixels_without_numbers} pixels of "
                f"{len(bad)} of {len(self.all_rows)} tiles, the first at y={bad[0].y}, "
                f"x={bad[0].x}; they are not analysed"
            )

    def began(self, stage: str) -> None:
        """Notify that a stage began that may take a while."""
        self._listener.began(stage)

    def heartbeat(self) -> None:
        """Notify that the stage is still running; raise if the output is another's by now."""
        self.still_held()
        self._listener.heartbeat()

    def expect(self, tiles: int) -> None:
        """Notify how many tiles will be done."""
        self._listener.expects(tiles)

    def pop_new_rows(self) -> list[TileRow]:
        """Return the rows of the tiles since the last call."""
        rows, self._fresh = self._fresh, []
        # Copies, as the last of them may still be waiting for the disk.
        return [replace(row) for row in rows]

    @property
    def rows(self) -> list[TileRow]:
        """The tiles of this run, by index."""
        return [self._rows[index] for index in sorted(self._rows)]

    @property
    def all_rows(self) -> list[TileRow]:
        """The tiles of this run and of an interrupted one before it, by index."""
        rows = _joined(self._resumed, self._rows)
        return [rows[index] for index in sorted(rows)]

    @property
    def unread_tiles(self) -> int:
        """How many tiles could not be read."""
        return sum(row.status == "unread" for row in self.all_rows)

    @property
    def pixels_without_numbers(self) -> int:
        """For how many pixels the network gave NaN or infinity."""
        return sum(row.without_numbers for row in self.all_rows)


def _joined(before: Mapping[int, TileRow], now: Mapping[int, TileRow]) -> dict[int, TileRow]:
    """Return the rows of two runs, of a tile that both did the later one.

    That one saw no more of the tile than the bands that were left, so the earlier one knows better
    for how many pixels there are no numbers.
    """
    both = {
        index: replace(row, without_numbers=max(row.without_numbers, before[index].without_numbers))
        for index, row in now.items()
        if index in before
    }
    return {**before, **now, **both}

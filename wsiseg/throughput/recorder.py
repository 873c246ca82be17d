"""What each tile cost."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from wsiseg.csv_tables import to_csv

Status = Literal["done", "unread"]


@dataclass
class TileRow:
    """One row of ``NAME.tiles.csv``.

    Attributes
    ----------
    index : int
        The tile's index in the grid.
    y, x : int
        Its first row and column in working pixels.
    read_ms : float
        Spent by a reading thread.
    forward_ms : float
        Spent in the runtime, the batch's time divided by its tiles.
    stitch_ms : float
        Spent on merging it.
    write_ms : float
        Waited for the disk, by the tile that finished a band.
    wait_ms : float
        Waited for the reading threads.
    finished_s : float
        When it was done, from the start of the run, opening the slide included.
    status : {"done", "unread"}
        Whether its pixels could be read.
    without_numbers : int
        Pixels for which the network gave no numbers, and no tile before it either; not a column.
    """

    index: int
    y: int
    x: int
    read_ms: float
    forward_ms: float
    stitch_ms: float
    write_ms: float
    wait_ms: float
    finished_s: float
    status: Status
    without_numbers: int = 0

    def add(self, other: TileRow) -> None:
        """Take over what the same tile cost another time: two stripes may want it."""
        self.read_ms += other.read_ms
        self.forward_ms += other.forward_ms
        self.stitch_ms += other.stitch_ms
        self.write_ms += other.write_ms
        self.wait_ms += other.wait_ms
        self.without_numbers += other.without_numbers


COLUMNS = tuple(field.name for field in fields(TileRow) if field.name != "without_numbers")

_KINDS: dict[str, Any] = dict.fromkeys(COLUMNS, float)
_KINDS |= {"index": int, "y": int, "x": int, "status": str}


class Stopwatch:
    """Seconds since it was made, and since it was last asked.

    Parameters
    ----------
    elapsed : float
        Seconds that count as if it had been made so long before.
    """

    def __init__(self, elapsed: float = 0.0) -> None:
        self._last = time.perf_counter()
        self._start = self._last - elapsed

    @property
    def total(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._start

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        return seconds


def rows_to_csv(rows: Iterable[TileRow]) -> str:
    """Return rows as CSV text, times rounded to microseconds."""
    return to_csv(
        COLUMNS,
        ([_rounded(getattr(row, name)) for name in COLUMNS] for row in rows),
    )


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


def rows_from_csv(path: Path) -> list[TileRow]:
    """Read what :func:`rows_to_csv` made.

    Raises
    ------
    OSError, ValueError, LookupError, TypeError
        If the file is missing or damaged.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return [
            TileRow(**{name: _KINDS[name](text) for name, text in line.items()})
            for line in csv.DictReader(file)
        ]

"""Records the seconds of each tile, for ``NAME.tiles.csv``."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
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
        Milliseconds of a reading thread.
    forward_ms : float
        Milliseconds in the runtime: those of the batch divided by its tiles.
    stitch_ms : float
        Milliseconds of merging.
    write_ms : float
        Milliseconds of waiting for the disk, if the tile finished a band.
    wait_ms : float
        Milliseconds of waiting for the reading threads.
    finished_s : float
        Seconds from the start of the run, opening the slide included, until it was done.
    status : {"done", "unread"}
        Whether its pixels could be read.
    without_numbers : int
        Pixels for which the network gave NaN or infinity, and no earlier tile a number; a column
        only if there are any.
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
        """Add the times of the same tile in another column stripe."""
        self.read_ms += other.read_ms
        self.forward_ms += other.forward_ms
        self.stitch_ms += other.stitch_ms
        self.write_ms += other.write_ms
        self.wait_ms += other.wait_ms
        self.without_numbers += other.without_numbers


BAD_NUMBERS = "without_numbers"
"""The column after those of every run, where a tile has such pixels."""

COLUMNS = tuple(field.name for field in fields(TileRow) if field.name != BAD_NUMBERS)

JOULES = "joules"
"""The last column, where the hardware tells its power."""

_KINDS: dict[str, Any] = dict.fromkeys(COLUMNS, float)
_KINDS |= {"index": int, "y": int, "x": int, "status": str, BAD_NUMBERS: int}


class Stopwatch:
    """Measures seconds since it was created, and since the last lap.

    Parameters
    ----------
    elapsed : float
        Seconds that have passed before it was created.
    """

    def __init__(self, elapsed: float = 0.0) -> None:
        self._last = time.perf_counter()
        self._start = self._last - elapsed

    @property
    def total(self) -> float:
        """Seconds since it was created."""
        return time.perf_counter() - self._start

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        return seconds


def rows_to_csv(rows: Sequence[TileRow], joules: Mapping[int, float] | None = None) -> str:
    """Return rows as CSV text, times rounded to microseconds.

    Parameters
    ----------
    rows : sequence of TileRow
        The tiles.
    joules : mapping of int to float, optional
        Energy of tiles by their index, a column at the end; empty for those that have none.

    Examples
    --------
    >>> rows = [TileRow(0, 0, 512, 1.5, 20.0, 0.5, 0.0, 0.1, 2.0, "done")]
    >>> print(rows_to_csv(rows, {0: 0.25}), end="")
    index,y,x,read_ms,forward_ms,stitch_ms,write_ms,wait_ms,finished_s,status,joules
    0,0,512,1.5,20.0,0.5,0.0,0.1,2.0,done,0.25
    """
    columns = COLUMNS
    if any(row.without_numbers for row in rows):
        columns = (*COLUMNS, BAD_NUMBERS)
    table = [[_rounded(getattr(row, name)) for name in columns] for row in rows]
    if joules is None:
        return to_csv(columns, table)
    for row, line in zip(rows, table, strict=True):
        found = joules.get(row.index)
        # Single tiles of a small network take millijoules.
        line.append("" if found is None else round(found, 6))
    return to_csv((*columns, JOULES), table)


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


def rows_from_csv(path: Path) -> list[TileRow]:
    """Read rows that :func:`rows_to_csv` wrote.

    Raises
    ------
    OSError, ValueError, LookupError, TypeError
        If the file is missing or damaged.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return [
            TileRow(**{name: _KINDS[name](text) for name, text in line.items() if name != JOULES})
            for line in csv.DictReader(file)
        ]

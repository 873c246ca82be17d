"""What of a run is safely on the disk, one line per band, so that a killed run can go on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import islice
from pathlib import Path

import pydantic
from pydantic_core import from_json

from wsiseg.errors import OutputError
from wsiseg.store.disk import Json, translate_write_errors, write_atomically
from wsiseg.throughput.recorder import TileRow
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.fingerprint import BETWEEN

_LONGEST_LINE = 2**24
"""Bytes; more than the tiles of the widest band take."""


@dataclass(frozen=True)
class BandRecord:
    """One band that is on the disk.

    Attributes
    ----------
    box : Box
        Which rows of which window.
    counts : list of int
        Pixels of every class in it.
    rows : list of TileRow
        The tiles that were done since the record before.
    labels_crc32, probabilities_crc32 : int or None
        Of their bytes, class by class, row by row; None where there are none, or nobody looked.
    """

    box: Box
    counts: list[int]
    rows: list[TileRow]
    labels_crc32: int | None = None
    probabilities_crc32: int | None = None


_RECORD = pydantic.TypeAdapter(BandRecord)


class Journal:
    """An append-only file beside an unfinished mask.

    Parameters
    ----------
    path : Path
        ``NAME.journal``.
    identity : dict
        Everything that the pixels of the mask depend on.
    """

    def __init__(self, path: Path, identity: Json) -> None:
        self._path = path
        self._identity = identity

    def begin(self, done: Sequence[BandRecord] = ()) -> None:
        """Start anew, with nothing done or with what holds of an earlier run."""
        lines = ({"identity": self._identity}, *map(asdict, done))
        write_atomically(self._path, "".join(json.dumps(line) + "\n" for line in lines))

    def record(self, record: BandRecord) -> None:
        """Say that a band is on the disk; returns when the saying is, too."""
        with translate_write_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @property
    def is_empty(self) -> bool:
        """Whether no band is on the disk."""
        try:
            return len(list(islice(self._lines(), 2))) < 2
        except OutputError:
            return False

    def read(self, bands: Collection[Box]) -> tuple[list[BandRecord], int]:
        """Return what is said to be done.

        Parameters
        ----------
        bands : collection of Box
            Those that the run is made of.

        Returns
        -------
        list of BandRecord
            One of each band at most, the last one.
        int
            Lines that say nothing of use.  One that is cut short is none of them: the kill came
            while it was written.

        Raises
        ------
        OutputError
            If the file is no journal, or belongs to a run with other settings, which are named.
        """
        lines = self._lines()
        refuse_other_run(self._read_header(lines), self._identity, self._path)
        done: dict[Box, BandRecord] = {}
        useless = 0
        for line in lines:
            record = _parse(line)
            if record is None or record.box not in bands:
                useless += 1
            else:
                done[record.box] = record
        return list(done.values()), useless

    def _read_header(self, lines: Iterator[bytes]) -> Mapping[str, object]:
        try:
            identity = from_json(next(lines, b""))["identity"]
        except (ValueError, LookupError, TypeError) as error:
            raise self._damaged() from error
        if not isinstance(identity, dict):
            raise self._damaged()
        return identity

    def _lines(self) -> Iterator[bytes]:
        """Yield complete lines."""
        if not self._path.is_file():
            raise self._damaged()
        with translate_write_errors(self._path), self._path.open("rb") as file:
            while (line := file.readline(_LONGEST_LINE)).endswith(b"\n"):
                yield line
        if len(line) == _LONGEST_LINE:
            raise self._damaged()

    def _damaged(self) -> OutputError:
        return OutputError(
            "the journal of the interrupted run is damaged", self._path, "Use `overwrite`."
        )


def refuse_other_run(before: Mapping[str, object], now: Json, where: Path) -> None:
    """Raise OutputError if two runs would not give the same pixels, naming what differs."""
    for key, value in json.loads(json.dumps(now)).items():
        if not _agree(before.get(key), value):
            both = before.get(key), value
            plain = all(isinstance(each, str | int | float | None) for each in both)
            raise OutputError(
                f"what stands there is of a run with another {key}"
                + (f": {both[0]}, not {both[1]}" if plain else ""),
                where,
                "Use the same settings, or `overwrite`.",
            )


def _agree(before: object, now: object) -> bool:
    if isinstance(before, dict) and isinstance(now, dict) and BETWEEN not in before:
        # Earlier versions did not look there.
        now = {name: value for name, value in now.items() if name != BETWEEN}
    return before == now


def _parse(line: bytes) -> BandRecord | None:
    """Return what a line says, if it is a record at all."""
    try:
        record = _RECORD.validate_json(line, strict=True)
    except pydantic.ValidationError:
        return None
    figures = (v for row in record.rows for v in astuple(row) if not isinstance(v, str))
    return record if all(math.isfinite(value) and value >= 0 for value in figures) else None

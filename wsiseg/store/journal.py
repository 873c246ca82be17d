"""What of a run is safely on the disk, one line per band, so that a killed run can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wsiseg.errors import OutputError
from wsiseg.store.disk import Json, translated, write_whole
from wsiseg.throughput.recorder import TileRow
from wsiseg.tiling.boxes import Box


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
    """

    box: Box
    counts: list[int]
    rows: list[TileRow]


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

    def begin(self) -> None:
        """Start anew with nothing done."""
        write_whole(self._path, json.dumps({"identity": self._identity}) + "\n")

    def record(self, record: BandRecord) -> None:
        """Say that a band is on the disk; returns when the saying is, too."""
        with translated(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @property
    def is_empty(self) -> bool:
        """Whether no band is on the disk."""
        try:
            return self._path.read_text(encoding="utf-8").count("\n") < 2
        except OSError:
            return True

    def read(self) -> list[BandRecord]:
        """Return what is done.

        Raises
        ------
        OutputError
            If the file is damaged, or belongs to a run with other settings, which are named.
        """
        with translated(self._path):
            *lines, torn = self._path.read_text(encoding="utf-8").split("\n")
        if torn:
            # The kill came while this line was being written; its band is done again.
            write_whole(self._path, "".join(f"{line}\n" for line in lines))
        try:
            header, *records = map(json.loads, lines)
            before = header["identity"]
            done = [_parse(fields) for fields in records]
        except (ValueError, LookupError, TypeError) as error:
            raise OutputError(
                "the journal of the interrupted run is damaged", self._path, "Use `overwrite`."
            ) from error
        refuse_other_run(before, self._identity, self._path)
        return done


def refuse_other_run(before: Mapping[str, object], now: Json, where: Path) -> None:
    """Raise OutputError if two runs would not give the same pixels, naming what differs."""
    for key, value in json.loads(json.dumps(now)).items():
        if before.get(key) != value:
            both = before.get(key), value
            plain = all(isinstance(each, str | int | float | None) for each in both)
            raise OutputError(
                f"what stands there is of a run with another {key}"
                + (f": {both[0]}, not {both[1]}" if plain else ""),
                where,
                "Use the same settings, or `overwrite`.",
            )


def _parse(fields: Mapping[str, Any]) -> BandRecord:
    rows = [TileRow(**row) for row in fields["rows"]]
    return BandRecord(Box(**fields["box"]), fields["counts"], rows)

"""What of a run is safely on the disk, one line per band, so that a killed run can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from wsiseg.errors import OutputError
from wsiseg.store.disk import Json, translated
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
        with translated(self._path):
            self._path.write_text(json.dumps({"identity": self._identity}) + "\n")

    def record(self, record: BandRecord) -> None:
        """Say that a band is on the disk; returns when the saying is, too."""
        with translated(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[BandRecord]:
        """Return what is done.

        Raises
        ------
        OutputError
            If the file belongs to a run with other settings, which is named.
        """
        with translated(self._path):
            first, *lines = self._path.read_text(encoding="utf-8").splitlines()
        before = json.loads(first)["identity"]
        now = json.loads(json.dumps(self._identity))
        changed = [key for key in now if before.get(key) != now[key]]
        if changed:
            key = changed[0]
            raise OutputError(
                f"the interrupted run had another {key}: {before.get(key)} instead of {now[key]}",
                self._path,
                "Use the same settings, or --overwrite.",
            )
        return list(_parse(lines))


def _parse(lines: Sequence[str]) -> list[BandRecord]:
    records = []
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            # The kill came while this line was being written; its band is done again.
            break
        rows = [TileRow(**row) for row in fields["rows"]]
        records.append(BandRecord(Box(**fields["box"]), fields["counts"], rows))
    return records

"""The journal: one line per band that is safely on disk, so that a killed run can be resumed."""

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
from wsiseg.remote.remote_path import RemotePath, as_place
from wsiseg.store.disk import Json, translate_write_errors, write_atomically
from wsiseg.store.journal_records import SERIES, Records, remove_records
from wsiseg.throughput.recorder import TileRow
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.fingerprint import BETWEEN

_LONGEST_LINE = 2**24
"""Bytes; more than the tiles of the widest band take."""


@dataclass(frozen=True)
class BandRecord:
    """The record of one band that is on disk.

    Attributes
    ----------
    box : Box
        The band, in working pixels.
    counts : list of int
        Pixels of each class in it.
    rows : list of TileRow
        The tiles that were finished since the record before.
    labels_crc32, probabilities_crc32, uncertainty_crc32 : int or None
        Checksums of their bytes, class by class and row by row; None if there are no such bytes,
        or the record is of an earlier version.
    """

    box: Box
    counts: list[int]
    rows: list[TileRow]
    labels_crc32: int | None = None
    probabilities_crc32: int | None = None
    uncertainty_crc32: int | None = None

    def checksum_of(self, companion: str) -> int | None:
        """Return the checksum of what is kept beside the labels, by its name."""
        return {
            "probabilities": self.probabilities_crc32,
            "uncertainty": self.uncertainty_crc32,
        }[companion]


_RECORD = pydantic.TypeAdapter(BandRecord)

_PARAMETERS = {
    "slide": "slide",
    "colours": "`icc`, `stain` or `stain_reference`",
    "windows": "`memory`",
}
"""What parts of the identity depend on that are not called like a parameter."""


class Journal:
    """An append-only file beside an unfinished mask, synced to disk after every record.

    Object stores cannot append: there the file holds what a run begins with, and each band that is
    done after that adds an object of its own, see :class:`Records`.

    Parameters
    ----------
    path : Path
        ``NAME.journal``.
    identity : dict
        Everything that the pixels of the mask depend on, see
        :func:`wsiseg.segmentation.provenance.identify`.

    Examples
    --------
    >>> import tempfile
    >>> from wsiseg.tiling import Box
    >>> band = Box(0, 0, 1024, 4096)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = Journal(Path(folder, "slide.journal"), {"tile": [512, 512]})
    ...     journal.begin()
    ...     journal.record(BandRecord(band, counts=[9, 1], rows=[]))
    ...     records, useless = journal.read([band])
    >>> records[0].counts, useless
    ([9, 1], 0)
    """

    def __init__(self, path: Path, identity: Json) -> None:
        self._path = as_place(path)
        self._identity = identity
        self._records: Records | None = None

    def begin(self, done: Sequence[BandRecord] = ()) -> None:
        """Start a new journal, with the records of an earlier run if there are any."""
        head: Json = {"identity": self._identity}
        if isinstance(self._path, RemotePath):
            self._records = Records.fresh(self._path)
            head[SERIES] = self._records.series
        lines = (head, *map(asdict, done))
        write_atomically(self._path, "".join(json.dumps(line) + "\n" for line in lines))
        if self._records is not None:
            self._records.remove_others()

    def record(self, record: BandRecord) -> None:
        """Append the record of a band that is on disk; return when the record is on disk, too."""
        if isinstance(self._path, RemotePath):
            if self._records is None:
                self._records = Records.of(self._path)
            if self._records is None:
                raise self._damaged()
            self._records.add(record.box, asdict(record))
            return
        with translate_write_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @property
    def is_empty(self) -> bool:
        """Whether it has no record of a band."""
        try:
            return len(list(islice(self._lines(), 2))) < 2
        except OutputError:
            return False

    def read(self, bands: Collection[Box]) -> tuple[list[BandRecord], int]:
        """Return the records of finished bands.

        Parameters
        ----------
        bands : collection of Box
            The bands of the run; records of others are useless.

        Returns
        -------
        list of BandRecord
            The last record of each band.
        int
            Number of useless lines.  A last line that is cut short does not count: the run was
            killed while it was written.

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

    def read_progress(self) -> tuple[Mapping[str, object], list[BandRecord]]:
        """Return the identity of the run that keeps the journal, and what it has done so far.

        Raises
        ------
        OutputError
            If the file is no journal.
        """
        lines = self._lines()
        identity = self._read_header(lines)
        done = {record.box: record for record in map(_parse, lines) if record is not None}
        return identity, list(done.values())

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
        if isinstance(self._path, RemotePath) and (records := Records.of(self._path)) is not None:
            yield from records.lines()

    def _damaged(self) -> OutputError:
        return OutputError(
            "the journal of the interrupted run is damaged",
            self._path,
            "Start again with `overwrite`.",
        )


def remove_journal(path: Path) -> None:
    """Remove a journal, if there is one.

    Parameters
    ----------
    path : Path
        ``NAME.journal``.
    """
    path.unlink(missing_ok=True)
    if isinstance(path, RemotePath):
        # Also those that a run has left that was stopped right here.
        remove_records(path)


def refuse_other_run(before: Mapping[str, object], now: Json, where: Path) -> None:
    """Refuse to resume a run with settings that would give other pixels.

    Parameters
    ----------
    before : mapping
        Identity of the run that stands.
    now : dict
        Identity of this run.
    where : Path
        The journal or run file, for the message.

    Raises
    ------
    OutputError
        If they differ; names the first setting that does.
    """
    for key, value in json.loads(json.dumps(now)).items():
        if not _agree(before.get(key), value):
            raise OutputError(
                f"the existing output was made {_describe_difference(key, before.get(key), value)}",
                where,
                "Use the same settings, or replace it with `overwrite`.",
            )


def _describe_difference(key: str, before: object, now: object) -> str:
    setting, then, wanted = _name_difference(key, before, now)
    plain = all(isinstance(each, str | int | float | None) for each in (then, wanted))
    if plain and (then is None or then is False):
        return f"without {setting}"
    if plain and (wanted is None or wanted is False):
        return f"with {setting}" + ("" if then is True else f" {then}")
    return f"with another {setting}" + (f": {then}, not {wanted}" if plain else "")


def _name_difference(key: str, before: object, now: object) -> tuple[str, object, object]:
    """Return the parameter on which a part of the identity depends, and its values if known."""
    if key == "plane" and isinstance(before, dict) and isinstance(now, dict):
        for name in ("mpp", "level"):
            if before.get(name) != now.get(name):
                return f"`{name}`", before.get(name), now.get(name)
        return "`slide_mpp`", (), ()
    return _PARAMETERS.get(key, f"`{key}`"), before, now


def _agree(before: object, now: object) -> bool:
    if isinstance(before, dict) and isinstance(now, dict) and BETWEEN not in before:
        # Earlier versions did not look there.
        now = {name: value for name, value in now.items() if name != BETWEEN}
    return before == now


def _parse(line: bytes) -> BandRecord | None:
    """Return the record in a line, or None if it is none."""
    try:
        record = _RECORD.validate_json(line, strict=True)
    except pydantic.ValidationError:
        return None
    figures = (v for row in record.rows for v in astuple(row) if not isinstance(v, str))
    return record if all(math.isfinite(value) and value >= 0 for value in figures) else None

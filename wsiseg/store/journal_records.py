"""Records of a journal in an object store, which cannot append: an object for each."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Self

from pydantic_core import from_json

from wsiseg.remote.remote_path import RemotePath
from wsiseg.store.disk import translate_write_errors
from wsiseg.tiling.boxes import Box

SERIES = "records"
"""Where the first line of the journal says which series of records is its own."""


class Records:
    """The records that a run has added to its journal: ``NAME.journal.bands/SERIES/Y-X.json``.

    The journal itself names the series, so that one object, replaced at once, decides which records
    count; those of a series before are rubbish, and are removed.

    Parameters
    ----------
    journal : RemotePath
        ``NAME.journal``.
    series : str
        A name that no other run gives.
    """

    def __init__(self, journal: RemotePath, series: str) -> None:
        self.series = series
        self._all = _folder(journal)
        self._own = self._all / series

    @classmethod
    def fresh(cls, journal: RemotePath) -> Self:
        """Return a series without records."""
        return cls(journal, uuid.uuid4().hex)

    @classmethod
    def of(cls, journal: RemotePath) -> Self | None:
        """Return the series that a journal names, or None without a journal that names one."""
        try:
            first = journal.read_bytes().partition(b"\n")[0]
            series = from_json(first)[SERIES]
        except (FileNotFoundError, ValueError, LookupError, TypeError):
            return None
        return cls(journal, series) if isinstance(series, str) and series.isalnum() else None

    def add(self, box: Box, record: Mapping[str, object]) -> None:
        """Add the record of a band; return when the object is there.

        Parameters
        ----------
        box : Box
            The band.
        record : mapping
            What the journal says of it.

        Raises
        ------
        OutputError, AddressError
            If it cannot be written.
        """
        path = self._own / f"{box.y:09d}-{box.x:09d}.json"
        with translate_write_errors(path):
            path.write_bytes((json.dumps(record) + "\n").encode())

    def lines(self) -> Iterator[bytes]:
        """Yield the records."""
        with translate_write_errors(self._own):
            for name in sorted(self._own.files_below()):
                yield (self._own / name).read_bytes()

    def remove_others(self) -> None:
        """Remove the records of all other series, which count no more."""
        with translate_write_errors(self._all):
            for series in list(self._all.iterdir()):
                if series.name != self.series:
                    series.remove_tree()


def remove_records(journal: RemotePath) -> None:
    """Remove all records of a journal that is gone.

    Parameters
    ----------
    journal : RemotePath
        ``NAME.journal``.
    """
    every = _folder(journal)
    with translate_write_errors(every):
        every.remove_tree()


def _folder(journal: RemotePath) -> RemotePath:
    return journal.with_name(f"{journal.name}.bands")

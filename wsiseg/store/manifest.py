"""The manifest ``batch.json``: the status of every slide whose masks lie in a folder.

Beside it stands ``cohort.csv``, the same as a table.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path

from wsiseg.errors import OutputError
from wsiseg.remote.remote_path import as_place
from wsiseg.store.cohort import COHORT, cohort_table
from wsiseg.store.disk import Json, set_aside, translate_write_errors, write_atomically, write_json
from wsiseg.store.locks import hold_lock
from wsiseg.store.outputs import OutputFiles
from wsiseg.tiling.slides import slide_name

MANIFEST = "batch.json"

_DAMAGED = (ValueError, LookupError, TypeError, RecursionError)
"""What a damaged manifest raises."""

_TIMEOUT = 60.0
"""Seconds to wait for another run that writes its entry."""


class Manifest:
    """The entries of all runs into one folder, the latest of each slide.

    Parameters
    ----------
    folder : Path
        Folder of the masks.
    warn : callable
        Called with a sentence if an existing manifest cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     manifest = Manifest(Path(folder), print)
    ...     manifest.record({"slide": "a.svs", "status": "ok"})
    ...     json.loads(Path(folder, "batch.json").read_text())
    {'slides': [{'slide': 'a.svs', 'status': 'ok'}]}
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        folder = as_place(folder)
        self._path = folder / MANIFEST
        self._cohort = folder / COHORT
        self._warn = warn

    def check(self) -> None:
        """Check that nothing else has the names of the manifest and the cohort table.

        Raises
        ------
        OutputError
            If a folder has.
        """
        for path, kind in ((self._path, "manifest"), (self._cohort, "cohort table")):
            if path.exists() and not path.is_file():
                raise OutputError(f"a folder has the name of the {kind}", path, "Move it away.")

    def record(self, entry: Json, *, replace: bool = True) -> None:
        """Add a slide's entry to those of the others, and bring the cohort table up to date.

        Parameters
        ----------
        entry : dict
            As in ``wsiseg segment --json``.
        replace : bool
            Whether an existing entry of the slide is replaced.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        lock = self._path.with_name(f"{MANIFEST}.lock")
        with hold_lock(lock, self._warn, timeout=_TIMEOUT):
            entries = self.read()
            name = _output_of(entry)
            if name not in entries or replace:
                entries[name] = entry
                write_json(self._path, {"slides": list(entries.values())})
            # Also what a run that was killed between the two has left out.
            write_atomically(self._cohort, cohort_table(entries.values()))

    def read(self) -> dict[str, Json]:
        """Return the entries by the names of their outputs, of which a folder has one each.

        A damaged manifest is put aside.
        """
        try:
            return read_entries(self._path.parent)
        except _DAMAGED:
            aside = self._path.with_suffix(".damaged.json")
            set_aside(self._path, aside)
            self._warn(f"{self._path} cannot be read; it is renamed to {aside.name}, and replaced")
            return {}


def read_entries(folder: Path) -> dict[str, Json]:
    """Return the entries of a folder's manifest by the names of their outputs; none without one.

    Raises
    ------
    OutputError
        If it cannot be read from the disk.
    ValueError, LookupError, TypeError, RecursionError
        If it is damaged.
    """
    path = as_place(folder) / MANIFEST
    if not path.exists():
        return {}
    with translate_write_errors(path):
        content = path.read_bytes()
    # By Python's own parser: the name of a slide may hold bytes that are no text.
    return {_output_of(entry): entry for entry in json.loads(content)["slides"]}


def peek_entries(folder: Path) -> dict[str, Json]:
    """Return what :func:`read_entries` does, and of a damaged manifest nothing."""
    try:
        return read_entries(folder)
    except _DAMAGED:
        return {}


def state_of(files: OutputFiles, entry: Json | None) -> str:
    """Return the state of a slide's record; another one means that it was dealt with meanwhile.

    Parameters
    ----------
    files : OutputFiles
        Of the slide; its run file counts.
    entry : dict or None
        Its entry in the manifest, if it has one.
    """
    written = json.dumps(entry, sort_keys=True).encode()
    with translate_write_errors(files.run):
        run = files.run.read_bytes() if files.run.is_file() else b""
    return f"{zlib.crc32(written):08x}-{zlib.crc32(run):08x}-{len(run)}"


def _output_of(entry: Json) -> str:
    name = slide_name(Path(entry["slide"]))  # type: ignore[arg-type]
    own = entry.get("output")
    # Whoever edited the file may have put a path there.
    return own if isinstance(own, str) and Path(own).name == own else name

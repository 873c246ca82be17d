"""The runs in a folder: finished, unfinished, interrupted and failed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wsiseg.errors import OutputError, OutputHeldError
from wsiseg.segmentation.provenance import read_run
from wsiseg.store.journal import BandRecord, Journal
from wsiseg.store.locks import hold_lock
from wsiseg.store.manifest import MANIFEST, read_entries
from wsiseg.store.outputs import COMPANIONS, STORE, OutputFiles
from wsiseg.tiling.slides.discovery import natural_key

_RUN, _JOURNAL = ".run.json", ".journal"

_STANDS = (
    "the last run of this slide did not end well; figures and pictures are those of the run before"
)


@dataclass(frozen=True)
class Run:
    """What is known of the run of one slide.

    Attributes
    ----------
    files : OutputFiles
        Where its output lies.
    status : str
        `ok`, `failed`, `interrupted`, `unfinished`, `under way`, `damaged`, or what else
        ``batch.json`` says.
    entry : mapping
        The slide's entry as in ``wsiseg segment --json``; empty if none was written.
    content : mapping or None
        The run file, of a run that was finished.
    done : list of BandRecord
        What an unfinished run has done so far.
    identity : mapping
        What the pixels depend on; empty if nothing tells.
    checkpoint : mapping
        What is known of the checkpoint, its classes above all.
    problems : tuple of str
        What is wrong with the run or its files: sentences, the worst first.
    """

    files: OutputFiles
    status: str
    entry: Mapping[str, Any]
    content: Mapping[str, Any] | None = None
    done: list[BandRecord] = field(default_factory=list)
    identity: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The slide's name without its ending."""
        return self.files.name

    @property
    def slide(self) -> str:
        """The slide as it was given; its name alone if that is all that is known."""
        return str(self.entry.get("slide") or self.name)

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a table of the run file; an empty one where there is none of that name."""
        return as_mapping((self.content or {}).get(name))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the run left out or assumed."""
        warnings = (self.content or {}).get("warnings") or self.entry.get("warnings") or ()
        return tuple(map(str, warnings)) if isinstance(warnings, list | tuple) else ()


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return a value of a file that somebody may have edited, if it is a mapping; else none."""
    return value if isinstance(value, Mapping) else {}


def find_runs(folder: Path) -> tuple[list[Run], tuple[str, ...]]:
    """Return the runs of a folder, and what is to be told about the folder.

    Parameters
    ----------
    folder : Path
        What was given to ``wsiseg segment`` as output.

    Returns
    -------
    list of Run
        In natural order of their names.
    tuple of str
        Notes, a sentence each.

    Raises
    ------
    OutputError
        If it is no folder, cannot be read, or holds no run.
    """
    names, notes = set(), []
    if not folder.is_dir():
        kind = "a file, not a folder of runs" if folder.exists() else "no such folder"
        hint = _give_the_folder_of(folder) if folder.exists() else None
        raise OutputError(f"there is {kind}", folder, hint)
    try:
        present = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise OutputError(f"the folder cannot be read: {error.strerror}", folder) from error
    for ending in (_RUN, _JOURNAL):
        names |= {name.removesuffix(ending) for name in present if name.endswith(ending)}
    entries: Mapping[str, Mapping[str, Any]] = {}
    try:
        entries = read_entries(folder)
    except (ValueError, LookupError, TypeError, RecursionError):
        notes.append(f"{MANIFEST} is damaged, so that runs that failed may be missing here")
    names |= set(entries)
    names -= {""}
    if not names:
        raise _no_runs(folder, present)
    in_order = sorted(names, key=lambda name: natural_key(Path(name)))
    return [_find_run(folder, name, entries.get(name)) for name in in_order], tuple(notes)


def _give_the_folder_of(path: Path) -> str:
    return f"Give the folder it lies in, {path.parent}{os.sep}"


def _no_runs(folder: Path, present: Iterable[str]) -> OutputError:
    if folder.name.endswith(".zarr"):
        return OutputError("a store holds no runs", folder, _give_the_folder_of(folder))
    masks = any(name.endswith(STORE) and not name.endswith(COMPANIONS) for name in present)
    what = "masks, but none of the files that runs leave beside them" if masks else "no runs"
    hint = "Give the folder that wsiseg segment wrote to."
    return OutputError(f"the folder holds {what}", folder, hint)


def _find_run(folder: Path, name: str, entry: Mapping[str, Any] | None) -> Run:
    files = OutputFiles(folder, name)
    told = entry or {}
    status = str(told.get("status") or "unfinished")
    error = told.get("error")
    run = Run(files, status, told, problems=(str(error),) if error else ())
    if files.run.is_file():
        return _finished(run)
    if files.journal.is_file():
        return _unfinished(run)
    if status == "ok":
        return replace(run, problems=("the files of the run are not in the folder any more",))
    return run


def _finished(run: Run) -> Run:
    """Return a run with its run file."""
    try:
        content = read_run(run.files.run)
    except OutputError as error:
        return replace(run, status="damaged", problems=(error.what, *run.problems))
    files = replace(run.files, with_image=bool(content["identity"].get("with_image")))
    problems: tuple[str, ...] = ()
    failed = run.entry.get("status") not in (None, "ok", "skipped")
    if failed:
        problems = (*run.problems, _STANDS)
    return replace(
        run,
        files=files,
        status=run.status if failed else "ok",
        entry=content["summary"],
        content=content,
        identity=content["identity"],
        checkpoint=as_mapping(content.get("checkpoint")),
        problems=problems,
    )


def _unfinished(run: Run) -> Run:
    """Return a run with what its journal records."""
    status = run.status if run.status in ("failed", "interrupted") else "unfinished"
    held, holder = _try_lock(run.files.lock)
    problems = run.problems or ("it was stopped before its end",)
    if held:
        status, problems = "under way", (f"by {holder}",)
    elif holder is not None:
        problems = (*run.problems, f"it was stopped, or it is under way by {holder}")
    try:
        identity, done = Journal(run.files.journal, {}).read_progress()
    except OutputError as error:
        return replace(run, status=status, problems=(*problems, error.what))
    return replace(run, status=status, identity=identity, done=done, problems=problems)


def _try_lock(lock: Path) -> tuple[bool, str | None]:
    """Tell whether a process holds the lock of a run, and which.

    A process that was killed leaves the file, but not the lock.  Where there are no locks, or the
    file cannot be written, it is not known, and the process that wrote the file is named.
    """
    try:
        told = lock.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False, None
    try:
        holder = json.loads(told)
        process = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, LookupError, TypeError):
        process = "a process that has not written which it is"
    without: list[str] = []
    try:
        with hold_lock(lock, without.append):
            return False, f"{process}; {without[0]}" if without else None
    except OutputHeldError:
        return True, process
    except OutputError as error:
        return False, f"{process}; {error.what}"

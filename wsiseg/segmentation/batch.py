"""Many slides, one after the other; one that fails does not stop the rest."""

from __future__ import annotations

import unicodedata
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Unpack

from wsiseg.errors import ArgumentError, OutputError, OutputExistsError, WsisegError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.segmentation.colouring import check_reference
from wsiseg.segmentation.entries import describe_error, failed_entry
from wsiseg.segmentation.executing import OneByOne
from wsiseg.segmentation.keywords import SegmentKeywords
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.slide_jobs import Execution, SlideJob, SlideOutcome
from wsiseg.settings import keywords_from
from wsiseg.store.disk import Json
from wsiseg.store.manifest import Manifest
from wsiseg.store.outputs import is_case_insensitive, output_folder
from wsiseg.tiling.slides import find_slides, slide_name, url_or_path


@keywords_from(SegmentOptions)
def segment_batch(
    slides: Path | str | Iterable[Path | str],
    checkpoint: Checkpoint | Path | str | None = None,
    output: Path | str = ".",
    *,
    listener: Listener | None = None,
    **options: Unpack[SegmentKeywords],
) -> Iterator[Json]:
    """Segment many slides into one folder; one that fails does not stop the others.

    Parameters
    ----------
    slides : path-like or iterable of path-like
        Slides, or folders of slides.
    checkpoint : Checkpoint or path-like, optional
        As :func:`wsiseg.segment` takes it.
    output : path-like
        Folder for the masks and ``batch.json``; made if need be.
    listener : Listener, optional
        Receives the events of the run.
    **options
        Fields of :class:`wsiseg.segmentation.options.SegmentOptions`, for all slides.

    Yields
    ------
    dict
        As :func:`run_cohort`.

    Raises
    ------
    WsisegError
        As :func:`run_cohort`, or if there is no slide.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> import wsiseg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.png", "b.png"):
    ...         Image.fromarray(np.full((96, 128, 3), 220, np.uint8)).save(Path(folder, name))
    ...     settings = {"level": 0, "tissue": "none", "tile": 128, "runtime": "torch"}
    ...     for entry in wsiseg.segment_batch(folder, output=Path(folder, "out"), **settings):
    ...         print(Path(entry["slide"]).name, entry["status"])
    a.png ok
    b.png ok
    """
    settings, folder = SegmentOptions(**options), Path(output)
    given = [slides] if isinstance(slides, Path | str) else slides
    found = find_slides([Path(path) for path in given], exclude=[folder])
    jobs = make_jobs(found.slides, checkpoint, folder, settings)
    hears = listener or Listener()
    yield from run_cohort(jobs, OneByOne(hears), hears)


def make_jobs(
    slides: Sequence[Path],
    checkpoint: Checkpoint | Path | str | None,
    folder: Path,
    options: SegmentOptions,
) -> list[SlideJob]:
    """Return the jobs of slides that are all treated alike.

    Parameters
    ----------
    slides : sequence of Path
        Files, folders or URLs that are one slide each.
    checkpoint : Checkpoint or path-like or None
        As :func:`wsiseg.segment` takes it.
    folder : Path
        Folder for the masks.
    options : SegmentOptions
        Settings for all slides.
    """
    return [
        SlideJob(slide, checkpoint, options, folder, slide_name(slide), number, len(slides))
        for number, slide in enumerate(slides, 1)
    ]


def run_cohort(
    jobs: Sequence[SlideJob], execution: Execution, listener: Listener
) -> Iterator[Json]:
    """Run jobs into one folder, and record what becomes of them in ``batch.json``.

    Parameters
    ----------
    jobs : sequence of SlideJob
        At least one; their names have to differ.
    execution : Execution
        What runs them.
    listener : Listener
        Receives the events of the run.

    Yields
    ------
    dict
        One entry per slide as in ``wsiseg segment --json``, with its `status`, in the order in
        which they end.  A slide that is interrupted gets its entry, too, before KeyboardInterrupt
        is raised again.

    Raises
    ------
    ArgumentError
        If two slides would have the same output, or the options are wrong for every slide.
    StainError, SlideError
        If the reference for stains cannot be used.
    CheckpointError, RuntimeUnavailableError
        If the one checkpoint of all slides cannot be used.
    OutputError
        If the folder cannot be written to.
    """
    folder = jobs[0].folder
    for options in {id(job.options): job.options for job in jobs}.values():
        check_reference(options.colours)
    with output_folder(folder):
        _refuse_same_names(jobs, folder)
        yield from _Cohort(jobs, folder, listener).run(execution)


class _Cohort:
    """The bookkeeping of one call: which slides are due, and what becomes of them."""

    def __init__(self, jobs: Sequence[SlideJob], folder: Path, listener: Listener) -> None:
        self._jobs, self._folder, self._listener = jobs, folder, listener
        self._manifest = Manifest(folder, listener.warned)
        self._manifest.check()
        self._refused = self._find_long_names()
        self._wrong: list[tuple[Json, ArgumentError]] = []

    def run(self, execution: Execution) -> Iterator[Json]:
        """Yield an entry per slide."""
        entry: Json | None = None
        with closing(self._outcomes(execution)) as outcomes:
            try:
                for outcome in outcomes:
                    entry = outcome.entry
                    self._keep(outcome)
                    if len(self._wrong) < len(self._jobs):
                        yield entry
                    entry = None
            except KeyboardInterrupt:
                # Also while an entry was being written.
                if entry is not None:
                    self._manifest.record(entry)
                    yield entry
                raise
        self._settle_wrong_usage()

    def _outcomes(self, execution: Execution) -> Generator[SlideOutcome]:
        refused = {id(outcome.job) for outcome in self._refused}
        due = [job for job in self._jobs if id(job) not in refused]
        if due:
            yield from execution.run(due)
        yield from self._refused

    def _find_long_names(self) -> list[SlideOutcome]:
        """Return the failures of slides whose names are too long for the output files."""
        refused = []
        for job in self._jobs:
            try:
                job.files.check_name()
            except OutputError as error:
                entry = failed_entry(job, None, describe_error(error))
                refused.append(SlideOutcome(job, entry, error))
                self._listener.failed(job.slide, error)
        return refused

    def _keep(self, outcome: SlideOutcome) -> None:
        """Record an outcome, unless the only slide was refused before anything was done."""
        entry, error, alone = outcome.entry, outcome.error, len(self._jobs) == 1
        wrong = isinstance(error, ArgumentError)
        if error is not None and not (wrong and alone) and outcome not in self._refused:
            self._listener.failed(outcome.job.slide, error)
        if isinstance(error, ArgumentError):
            self._wrong.append((entry, error))
            return
        # What was refused because of an earlier run leaves that run's entry alone.
        exists = isinstance(error, OutputExistsError)
        refused = isinstance(error, WsisegError) and not outcome.begun
        if refused and alone and (exists or not any(self._folder.iterdir())):
            return
        self._manifest.record(entry, replace=not exists)

    def _settle_wrong_usage(self) -> None:
        """Raise what makes no sense for any slide; what does for some is the others' failure."""
        if self._wrong and len(self._wrong) == len(self._jobs):
            raise self._wrong[0][1]
        for entry, _ in self._wrong:
            self._manifest.record(entry)


def _refuse_same_names(jobs: Sequence[SlideJob], folder: Path) -> None:
    folded = is_case_insensitive(folder)
    first: dict[str, SlideJob] = {}
    for job in jobs:
        key = unicodedata.normalize("NFC", job.name).casefold() if folded else job.name
        if key in first:
            raise ArgumentError(
                f"two slides are called {job.name!r} and would write the same files",
                f"{url_or_path(first[key].slide)} and {url_or_path(job.slide)}",
                "Segment them into different folders.",
            )
        first[key] = job

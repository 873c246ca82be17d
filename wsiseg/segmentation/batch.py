"""Many slides, one after the other; one that fails does not stop the rest."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from wsiseg.errors import ArgumentError, OutputError, OutputExistsError, WsisegError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.remote.remote_path import as_place
from wsiseg.segmentation.colouring import check_reference
from wsiseg.segmentation.entries import describe_error, failed_entry, passed_entry
from wsiseg.segmentation.executing import OneByOne
from wsiseg.segmentation.keywords import SegmentKeywords
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.slide_jobs import Execution, SlideJob, SlideOutcome
from wsiseg.segmentation.slide_lists import ListedSlide, check_names, common_options
from wsiseg.settings import keywords_from
from wsiseg.store.disk import Json
from wsiseg.store.locks import is_held
from wsiseg.store.manifest import Manifest, state_of
from wsiseg.store.outputs import is_case_insensitive, output_folder
from wsiseg.tiling.slides import find_slides, url_or_path


@keywords_from(SegmentOptions)
def segment_batch(
    slides: Path | str | ListedSlide | Iterable[Path | str | ListedSlide],
    checkpoint: Checkpoint | Path | str | None = None,
    output: Path | str = ".",
    *,
    listener: Listener | None = None,
    execution: Execution | None = None,
    recursive: bool = False,
    retry_failed: bool = False,
    fail_fast: bool = False,
    **options: Unpack[SegmentKeywords],
) -> Iterator[Json]:
    """Segment many slides into one folder; one that fails does not stop the others.

    Parameters
    ----------
    slides : path-like or ListedSlide, or iterable of them
        Slides, folders of slides, patterns like ``scans/*.svs``, and slides with settings of their
        own, as :func:`wsiseg.read_slide_list` returns them.
    checkpoint : Checkpoint or path-like, optional
        As :func:`wsiseg.segment` takes it.
    output : path-like
        Folder for the masks and ``batch.json``; made if need be.
    listener : Listener, optional
        Receives the events of the run.
    execution : Execution, optional
        What runs the slides; this process, one after the other, if left out.
    recursive : bool
        Look into the folders in a folder, too.
    retry_failed, fail_fast : bool
        As :func:`run_cohort` takes them.
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
    folder = Path(output)
    given = [slides] if isinstance(slides, Path | str | ListedSlide) else list(slides)
    settings, override = common_options(options, given)
    hears = listener or Listener()
    found = gather_slides(given, recursive=recursive, output=folder, noted=lambda _: None)
    jobs = make_jobs(found, checkpoint, folder, settings, override_listed=override)
    runs = execution or OneByOne(hears)
    yield from run_cohort(jobs, runs, hears, retry_failed=retry_failed, fail_fast=fail_fast)


def gather_slides(
    given: Sequence[Path | str | ListedSlide],
    *,
    recursive: bool,
    output: Path,
    noted: Callable[[str], None],
) -> list[Path | ListedSlide]:
    """Return the slides that files, folders, patterns and lists stand for, listed ones last.

    Parameters
    ----------
    given : sequence of path-like or ListedSlide
        What the user named.
    recursive : bool
        Look into the folders in a folder, too.
    output : Path
        Folder for the masks, in which no slides are looked for.
    noted : callable
        Called with a sentence on what was passed over.

    Raises
    ------
    ArgumentError
        If nothing is given.
    SlideError
        As :func:`wsiseg.find_slides`.
    """
    if not given:
        raise ArgumentError("no slide is named", "`slides`", "Name files, folders or a list.")
    paths = [Path(each) for each in given if not isinstance(each, ListedSlide)]
    found = find_slides(paths, recursive=recursive, exclude=[output])
    for note in found.notes:
        noted(note)
    return [*found.slides, *(each for each in given if isinstance(each, ListedSlide))]


def make_jobs(
    slides: Sequence[Path | ListedSlide],
    checkpoint: Checkpoint | Path | str | None,
    folder: Path,
    options: SegmentOptions,
    *,
    override_listed: bool = False,
) -> list[SlideJob]:
    """Return the jobs of slides.

    Parameters
    ----------
    slides : sequence of Path or ListedSlide
        Files, folders or URLs that are one slide each.
    checkpoint : Checkpoint or path-like or None
        As :func:`wsiseg.segment` takes it, for slides that have none of their own.
    folder : Path
        Folder for the masks.
    options : SegmentOptions
        Settings for all slides, as far as they have none of their own.
    override_listed : bool
        Let a slide's own `slide_mpp` overrule what its file states.

    Raises
    ------
    ArgumentError
        If a slide's own settings are invalid, or two would write the same files.
    """
    listed = [each if isinstance(each, ListedSlide) else ListedSlide(each) for each in slides]
    check_names(listed)
    return [
        SlideJob(
            Path(each.slide),
            checkpoint if each.checkpoint is None else each.checkpoint,
            each.options(options, override_mpp=override_listed),
            folder,
            each.name,
            number,
            len(listed),
        )
        for number, each in enumerate(listed, 1)
    ]


def run_cohort(
    jobs: Sequence[SlideJob],
    execution: Execution,
    listener: Listener,
    *,
    retry_failed: bool = False,
    fail_fast: bool = False,
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
    retry_failed : bool
        Run only those of which the record says that they failed or were interrupted, going on
        where they stopped; the others are passed by.
    fail_fast : bool
        End after the first slide that fails.

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
    folder = as_place(jobs[0].folder)
    for options in {id(job.options): job.options for job in jobs}.values():
        check_reference(options.colours)
    with output_folder(folder):
        refuse_same_names(jobs, folder)
        cohort = _Cohort(jobs, folder, listener, retry_failed=retry_failed)
        yield from cohort.run(execution, fail_fast=fail_fast)


def record_of_slides(
    jobs: Sequence[SlideJob], entries: Mapping[str, Json], *, retry_failed: bool
) -> tuple[list[SlideOutcome], list[SlideJob]]:
    """Return which slides are passed by according to the record in their folder, and which are due.

    Parameters
    ----------
    jobs : sequence of SlideJob
        Into one folder.
    entries : mapping
        What the record says of them, by the names of their outputs.
    retry_failed : bool
        As for :func:`run_cohort`.

    Returns
    -------
    list of SlideOutcome
        Of those that are passed by.
    list of SlideJob
        Those that are due, with the state of their records.
    """
    passed, due = [], []
    for job in jobs:
        entry = entries.get(job.name)
        status = None if entry is None else entry.get("status")
        if retry_failed and status not in {"failed", "interrupted"}:
            why = "is not recorded" if entry is None else f"is recorded as {status}"
            skipped = passed_entry(job, entry, f"passed by: it {why}, not as failed")
            passed.append(SlideOutcome(job, skipped))
            continue
        options = job.options
        if retry_failed and not options.overwrite and job.files.existing is not None:
            options = options.replace(resume=True)
        due.append(replace(job, options=options, before=state_of(job.files, entry)))
    return passed, due


class _Cohort:
    """The bookkeeping of one call: which slides are due, and what becomes of them."""

    def __init__(
        self, jobs: Sequence[SlideJob], folder: Path, listener: Listener, *, retry_failed: bool
    ) -> None:
        self._folder, self._listener = folder, listener
        self._manifest = Manifest(folder, listener.warned)
        self._manifest.check()
        self._total = len(jobs)
        self._wrong: list[tuple[Json, ArgumentError]] = []
        self._refused = list(self._find_long_names(jobs))
        refused = {outcome.job.name for outcome in self._refused}
        fitting = [job for job in jobs if job.name not in refused]
        fitting = self._join(fitting)
        entries = self._manifest.read()
        self._passed, self._due = record_of_slides(fitting, entries, retry_failed=retry_failed)

    def _join(self, jobs: list[SlideJob]) -> list[SlideJob]:
        """Let a cohort on which another process works be gone on with: its results are ours."""
        if self._total == 1 or not any(is_held(job.files.lock) for job in jobs):
            return jobs
        self._listener.warned(
            "another process works on this cohort; what it has finished is passed by"
        )
        return [
            job if job.options.overwrite else replace(job, options=job.options.replace(resume=True))
            for job in jobs
        ]

    def _find_long_names(self, jobs: Sequence[SlideJob]) -> Iterator[SlideOutcome]:
        """Yield the failures of slides whose names are too long for the output files."""
        for job in jobs:
            try:
                job.files.check_name()
            except OutputError as error:
                yield SlideOutcome(job, failed_entry(job, None, describe_error(error)), error)
                self._listener.failed(job.slide, error)

    def run(self, execution: Execution, *, fail_fast: bool) -> Iterator[Json]:
        """Yield an entry per slide."""
        entry: Json | None = None
        with closing(self._outcomes(execution)) as outcomes:
            try:
                for outcome in outcomes:
                    entry = outcome.entry
                    self._keep(outcome)
                    if len(self._wrong) < self._total:
                        yield entry
                    entry = None
                    if fail_fast and outcome.error is not None:
                        break
            except KeyboardInterrupt:
                # Also while an entry was being written.
                if entry is not None:
                    self._manifest.record(entry)
                    yield entry
                raise
        self._settle_wrong_usage()

    def _outcomes(self, execution: Execution) -> Generator[SlideOutcome]:
        yield from self._passed
        if self._due:
            yield from execution.run(self._due)
        yield from self._refused

    def _keep(self, outcome: SlideOutcome) -> None:
        """Record an outcome, unless the only slide was refused before anything was done."""
        error, alone = outcome.error, self._total == 1
        if isinstance(error, ArgumentError):
            self._wrong.append((outcome.entry, error))
        else:
            try:
                self._record(outcome)
            except OutputError as unwritten:
                # On a full disk: what was the matter with the slide is what is to be known.
                if error is not None:
                    raise error from unwritten
                raise
        wrong = alone and isinstance(error, ArgumentError)
        if error is not None and not wrong and outcome not in self._refused:
            self._listener.failed(outcome.job.slide, error)

    def _record(self, outcome: SlideOutcome) -> None:
        if outcome.entry["status"] == "skipped":
            self._record_skipped(outcome)
            return
        # What was refused because of an earlier run leaves that run's entry alone.
        exists = isinstance(outcome.error, OutputExistsError)
        refused = isinstance(outcome.error, WsisegError) and not outcome.begun
        nothing = self._total == 1 and (exists or not self._left_anything(outcome.job))
        if not (refused and nothing):
            self._manifest.record(outcome.entry, replace=not exists)

    def _record_skipped(self, outcome: SlideOutcome) -> None:
        """Record a finished slide whose entry is missing, as if it had been killed before that."""
        entry, job = outcome.entry, outcome.job
        if entry["mask"] is not None and job.files.finished:
            before = self._manifest.read().get(job.name)
            if before is None or before.get("status") != "ok":
                self._manifest.record({**entry, "status": "ok"})

    def _left_anything(self, job: SlideJob) -> bool:
        return any(path != job.files.lock for path in self._folder.iterdir())

    def _settle_wrong_usage(self) -> None:
        """Raise what is invalid for any slide; what does for some is the others' failure."""
        if self._wrong and len(self._wrong) == self._total:
            raise self._wrong[0][1]
        for entry, _ in self._wrong:
            self._manifest.record(entry)


def refuse_same_names(jobs: Sequence[SlideJob], folder: Path) -> None:
    """Refuse slides that would write the same files.

    Parameters
    ----------
    jobs : sequence of SlideJob
        To be run.
    folder : Path
        Folder of the masks, which may not exist yet; it may not tell ``a`` from ``A``.

    Raises
    ------
    ArgumentError
        Names two of them.
    """
    names = {job.name for job in jobs}
    # A file is written to find out about the folder, which a kill might leave.
    alike = len(set(map(_fold, names))) < len(names)
    folded = alike and folder.is_dir() and is_case_insensitive(folder)
    first: dict[str, SlideJob] = {}
    for job in jobs:
        key = _fold(job.name) if folded else job.name
        if key in first:
            raise ArgumentError(
                f"two slides are called {job.name!r} and would write the same files",
                f"{url_or_path(first[key].slide)} and {url_or_path(job.slide)}",
                "Segment them into different folders.",
            )
        first[key] = job


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()

"""The record of a cohort: which slides are due, and what becomes of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from wsiseg.errors import ArgumentError, OutputError, OutputExistsError, WsisegError
from wsiseg.segmentation.entries import describe_error, failed_entry, passed_entry
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.slide_jobs import Execution, SlideJob, SlideOutcome
from wsiseg.store.disk import Json
from wsiseg.store.locks import is_held
from wsiseg.store.manifest import Manifest, state_of
from wsiseg.store.outputs import name_key
from wsiseg.tiling.slides import url_or_path


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
        As for :func:`wsiseg.segmentation.batch.run_cohort`.

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
            skipped = passed_entry(job, entry, f"skipped: it {why}, not as failed")
            passed.append(SlideOutcome(job, skipped))
            continue
        options = job.options
        if retry_failed and not options.overwrite and job.files.existing is not None:
            options = options.replace(resume=True)
        due.append(replace(job, options=options, before=state_of(job.files, entry)))
    return passed, due


class Cohort:
    """The slides of one call: which are due, and what becomes of them.

    Parameters
    ----------
    jobs : sequence of SlideJob
        Into one folder; their names differ.
    folder : Path
        Holds ``batch.json``.
    listener : Listener
        Receives warnings and failures.
    retry_failed : bool
        See :func:`record_of_slides`.

    Raises
    ------
    OutputError
        If the record in the folder cannot be read or written.
    """

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
            "another process works on this cohort; what it has finished is skipped"
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
        """Run what is due, and record it.

        Parameters
        ----------
        execution : Execution
            What runs the slides.
        fail_fast : bool
            End after the first slide that fails.

        Yields
        ------
        dict
            An entry per slide.

        Raises
        ------
        ArgumentError
            If the options are wrong for every slide.
        OutputError
            If the record cannot be written.
        """
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
    key_of = name_key({job.name for job in jobs}, folder)
    first: dict[str, SlideJob] = {}
    for job in jobs:
        key = key_of(job.name)
        if key in first:
            raise ArgumentError(
                f"two slides are called {job.name!r} and would write the same files",
                f"{url_or_path(first[key].slide)} and {url_or_path(job.slide)}",
                "Segment them into different folders.",
            )
        first[key] = job

"""Executing the jobs of a cohort in this process: one after the other, the next one in advance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from wsiseg.errors import OutputError, OutputHeldError, WsisegError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.entries import (
    describe_error,
    failed_entry,
    interrupted_entry,
    named_entry,
    passed_entry,
)
from wsiseg.segmentation.filling import Prepare, fill_here
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.prefetching import SlidePrefetcher, open_timed
from wsiseg.segmentation.provenance import read_run
from wsiseg.segmentation.segmenting import make_predictor, segment_slide
from wsiseg.segmentation.slide_jobs import SlideJob, SlideOutcome
from wsiseg.segmentation.target import choose_plane, find_area
from wsiseg.store.disk import Json
from wsiseg.store.locks import hold_lock
from wsiseg.store.manifest import peek_entries, state_of
from wsiseg.store.outputs import output_folder
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.tissue import ProgressCallback, TissueMask


class Predictors:
    """The predictors of a cohort; each network is loaded once, when it is first needed.

    Parameters
    ----------
    began : callable, optional
        Told when a download begins.
    """

    def __init__(self, began: Callable[[str], None] | None = None) -> None:
        self._began = began
        self._made: dict[object, Predictor | WsisegError] = {}

    def of(self, job: SlideJob) -> Predictor:
        """Return the predictor of a job.

        Raises
        ------
        WsisegError
            As :func:`wsiseg.segmentation.segmenting.make_predictor`, each time anew.
        """
        key = self._key(job)
        if key not in self._made:
            try:
                self._made[key] = self.make(job)
            except WsisegError as error:
                self._made[key] = error
        found = self._made[key]
        if isinstance(found, WsisegError):
            raise found
        return found

    def make(self, job: SlideJob) -> Predictor:
        """Return a new predictor for a job."""
        return make_predictor(job.checkpoint, job.options, self._began)

    def made_for(self, job: SlideJob) -> Predictor | None:
        """Return the predictor of a job if it has been made."""
        found = self._made.get(self._key(job))
        return found if isinstance(found, Predictor) else None

    def are_one(self, jobs: Sequence[SlideJob]) -> bool:
        """Tell whether all jobs have the same predictor."""
        return len({self._key(job) for job in jobs}) == 1

    def _key(self, job: SlideJob) -> object:
        options, given = job.options, job.checkpoint
        named = id(given) if isinstance(given, Checkpoint) else given and str(given)
        return named, options.runtime, options.device, options.precision, options.threads


class OneByOne:
    """Runs jobs in this process, one after the other.

    Parameters
    ----------
    listener : Listener
        Receives the events of the run.
    prepare : callable
        Gives what fills the bands of a mask: this process, or the workers of a cluster.
    predictors : Predictors, optional
        In place of those that this process chooses.
    """

    def __init__(
        self,
        listener: Listener,
        prepare: Prepare = fill_here,
        predictors: Predictors | None = None,
    ) -> None:
        self._predictors = predictors or Predictors(listener.began)
        self._listener = listener
        self._prepare = prepare

    def run(self, jobs: Sequence[SlideJob]) -> Iterator[SlideOutcome]:
        """Yield an outcome for each job; see :class:`wsiseg.segmentation.slide_jobs.Execution`."""
        if self._predictors.are_one(jobs):
            # Without it nothing can be done.
            self._predictors.of(jobs[0])
        with SlidePrefetcher(jobs, open_job, self._find_area) as ahead:
            for job in jobs:
                # What is claimed stays so until it is recorded.
                with ExitStack() as claim:
                    self._listener.turned_to(job.slide, job.number, job.total)
                    try:
                        outcome = segment_job(
                            job,
                            self._predictors,
                            self._listener,
                            claim,
                            ahead,
                            prepare=self._prepare,
                        )
                    except KeyboardInterrupt:
                        entry = interrupted_entry(job, self._predictors.made_for(job))
                        yield SlideOutcome(job, entry, begun=True)
                        raise
                    yield outcome

    def _find_area(
        self, job: SlideJob, slide: Slide, searched: ProgressCallback
    ) -> TissueMask | None:
        checkpoint = self._predictors.of(job).checkpoint
        return find_area(slide, choose_plane(slide, checkpoint, job.options), job.options, searched)


def open_job(job: SlideJob) -> Slide:
    """Open the slide of a job."""
    return job.options.open_slide(job.slide)


def segment_job(
    job: SlideJob,
    predictors: Predictors,
    listener: Listener,
    claim: ExitStack,
    ahead: SlidePrefetcher[SlideJob] | None = None,
    *,
    prepare: Prepare = fill_here,
) -> SlideOutcome:
    """Claim the output of a job and segment its slide; whatever it stumbles over is the outcome.

    Of several slides, one that another process works on, or has dealt with since the cohort
    began, is passed by.

    Parameters
    ----------
    job : SlideJob
        What to do.
    predictors : Predictors
        Which may have loaded the network before.
    listener : Listener
        Receives the events of the run.
    claim : ExitStack
        Receives the lock of the output; to be closed when the outcome is recorded.
    ahead : SlidePrefetcher, optional
        Opens the slides of the jobs in their order, and is told when it may open the next one.
    prepare : callable
        Gives what fills the bands of the mask.
    """
    begun = False

    def planned() -> None:
        nonlocal begun
        begun = True

    try:
        held: list[str] = []
        with output_folder(job.folder):
            try:
                still_held = claim.enter_context(hold_lock(job.files.lock, held.append))
                passed = _dealt_with_elsewhere(job)
            except OutputHeldError as taken:
                if job.total == 1:
                    raise
                passed = passed_entry(job, None, f"skipped: {taken.what}")
            if passed is not None:
                if ahead is not None:
                    ahead.pass_by()
                return SlideOutcome(job, passed)
            with open_timed(job, open_job) if ahead is None else ahead.next() as ready:
                result = segment_slide(
                    ready.slide,
                    predictors.of(job),
                    job.folder,
                    job.options,
                    listener,
                    name=job.name,
                    tissue=ready.tissue,
                    elapsed=ready.seconds,
                    held=held,
                    still_held=still_held,
                    on_planned=planned,
                    on_predicted=None if ahead is None or ahead.is_last else ahead.prefetch_next,
                    prepare=prepare,
                )
    # Whatever one slide stumbles over, the others go on.
    except Exception as stumbled:
        error = _with_way_on(stumbled, job)
        entry = failed_entry(job, predictors.made_for(job), describe_error(error))
        return SlideOutcome(job, entry, error, begun)
    entry = named_entry(result.summary, job)
    if result.finished_before:
        entry = {**entry, "status": "skipped"}
    return SlideOutcome(job, entry, begun=begun)


def _with_way_on(error: Exception, job: SlideJob) -> Exception:
    """Return the error of a slide, with how to go on where writing has failed on the way."""
    if isinstance(error, OutputError) and isinstance(error.__cause__, OSError):
        begun = f"{error.hint} " if error.hint else ""
        if job.files.journal.exists():
            error.hint = f"{begun}Continue with `resume`."
    return error


def _dealt_with_elsewhere(job: SlideJob) -> Json | None:
    """Return an entry if another process has ended this slide since the cohort began."""
    if job.before is None:
        return None
    entry = peek_entries(job.folder).get(job.name)
    if state_of(job.files, entry) == job.before:
        return None
    if entry is not None and entry.get("status") == "failed":
        return passed_entry(job, entry, "skipped: it has failed in another process meanwhile")
    if job.files.finished:
        summary = read_run(job.files.run)["summary"]
        return passed_entry(job, summary, "skipped: another process has made it meanwhile")
    return None

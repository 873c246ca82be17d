"""Executing the jobs of a cohort in this process: one after the other, the next one in advance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from wsiseg.errors import WsisegError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.entries import (
    describe_error,
    failed_entry,
    interrupted_entry,
    named_entry,
)
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.prefetching import OpenedSlide, SlidePrefetcher, open_timed
from wsiseg.segmentation.segmenting import make_predictor, segment_slide
from wsiseg.segmentation.slide_jobs import SlideJob, SlideOutcome
from wsiseg.segmentation.target import choose_plane, find_area
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
                self._made[key] = make_predictor(job.checkpoint, job.options, self._began)
            except WsisegError as error:
                self._made[key] = error
        found = self._made[key]
        if isinstance(found, WsisegError):
            raise found
        return found

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
    """

    def __init__(self, listener: Listener) -> None:
        self._predictors = Predictors(listener.began)
        self._listener = listener

    def run(self, jobs: Sequence[SlideJob]) -> Iterator[SlideOutcome]:
        """Yield an outcome for each job; see :class:`wsiseg.segmentation.slide_jobs.Execution`."""
        if self._predictors.are_one(jobs):
            # Without it nothing can be done.
            self._predictors.of(jobs[0])
        with SlidePrefetcher(jobs, open_job, self._find_area) as ahead:
            for job in jobs:
                try:
                    outcome = segment_job(
                        job, self._predictors, self._listener, ahead.next(), ahead=ahead
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
    opening: AbstractContextManager[OpenedSlide] | None = None,
    *,
    ahead: SlidePrefetcher[SlideJob] | None = None,
) -> SlideOutcome:
    """Segment the slide of a job; whatever it stumbles over is the outcome.

    Parameters
    ----------
    job : SlideJob
        What to do.
    predictors : Predictors
        Which may have loaded the network before.
    listener : Listener
        Receives the events of the run.
    opening : context manager, optional
        Gives the open slide; it is opened here if left out.
    ahead : SlidePrefetcher, optional
        Which is told when the next slide may be opened.
    """
    begun = False

    def planned() -> None:
        nonlocal begun
        begun = True

    try:
        with opening or open_timed(job, open_job) as ready:
            summary = segment_slide(
                ready.slide,
                predictors.of(job),
                job.folder,
                job.options,
                listener,
                name=job.name,
                tissue=ready.tissue,
                elapsed=ready.seconds,
                on_planned=planned,
                on_predicted=None if ahead is None or ahead.is_last else ahead.prefetch_next,
            ).summary
    # Whatever one slide stumbles over, the others go on.
    except Exception as error:
        entry = failed_entry(job, predictors.made_for(job), describe_error(error))
        return SlideOutcome(job, entry, error, begun)
    return SlideOutcome(job, named_entry(summary, job), begun=begun)

"""Forecasts: what a run would do, and about how long it would take; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wsiseg.segmentation.cohort import record_of_slides, refuse_same_names
from wsiseg.segmentation.colouring import check_reference
from wsiseg.segmentation.entries import describe_error, failed_entry, passed_entry
from wsiseg.segmentation.executing import Predictors, open_job
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.plan import make_plan
from wsiseg.segmentation.prefetching import open_timed
from wsiseg.segmentation.refusing import refuse_existing
from wsiseg.segmentation.resuming import find_recorded
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.segmentation.slide_jobs import SlideJob
from wsiseg.segmentation.streaming import TileStream
from wsiseg.store.arrays import BAND_HEIGHT
from wsiseg.store.disk import Json
from wsiseg.store.manifest import peek_entries
from wsiseg.throughput.recorder import Stopwatch
from wsiseg.tiling.boxes import Box

_BESIDES = 1.1
"""Times the seconds of the tiles: what pyramid and files add."""

_ENOUGH = 1.0
"""Seconds of work after which the first use of everything does not count any more."""


@dataclass(frozen=True)
class _Speed:
    setup: float
    per_pixel: float


def plan_cohort(
    jobs: Sequence[SlideJob], listener: Listener, *, retry_failed: bool = False
) -> Iterator[Json]:
    """Plan jobs without running them: some tiles of the first slide are timed, nothing is written.

    Parameters
    ----------
    jobs : sequence of SlideJob
        At least one.
    listener : Listener
        Receives the plans.
    retry_failed : bool
        As for :func:`wsiseg.segmentation.batch.run_cohort`.

    Yields
    ------
    dict
        The entry of each slide with status `planned`, its `seconds` an estimate and `disk_mb`
        beside `memory_mb`; `skipped` if there would be nothing to do, `failed` if it would be
        refused.

    Raises
    ------
    WsisegError
        As :func:`wsiseg.segmentation.batch.run_cohort`, before anything is planned.
    """
    for options in {id(job.options): job.options for job in jobs}.values():
        check_reference(options.colours)
    refuse_same_names(jobs, jobs[0].folder)
    predictors = Predictors(listener.began)
    if predictors.are_one(jobs):
        predictors.of(jobs[0])
    speeds: dict[object, _Speed] = {}
    entries = peek_entries(jobs[0].folder)
    passed, due = record_of_slides(jobs, entries, retry_failed=retry_failed)
    yield from (outcome.entry for outcome in passed)
    for job in due:
        listener.turned_to(job.slide, job.number, job.total)
        try:
            yield _forecast(job, predictors, listener, speeds)
        # Whatever one slide stumbles over, the others are planned.
        except Exception as error:
            listener.failed(job.slide, error)
            yield failed_entry(job, predictors.made_for(job), describe_error(error))


def _forecast(
    job: SlideJob, predictors: Predictors, listener: Listener, speeds: dict[object, _Speed]
) -> Json:
    job.files.check_name()
    predictor = predictors.of(job)
    with open_timed(job, open_job) as ready:
        refuse_existing(job.files, job.options)
        stats = RunStats(len(predictor.checkpoint.classes), listener, ready.seconds)
        run = find_recorded(ready.slide, predictor, job.options, job.files, stats)
        if run is not None:
            return passed_entry(job, run["summary"], "skipped: it is finished")
        listener.began("planning: resolution, tissue, memory")
        plan = make_plan(ready.slide, predictor, job.options, searched=listener.searched)
        work = Job(ready.slide, predictor, job.options, plan, job.files)
        listener.planned(work)
        for warning in (*plan.warnings, *work.disk_need.warnings):
            stats.warn(warning)
        seconds = stats.watch.total
        if plan.cover.tiles:
            key = (id(predictor), plan.plane.resampled, job.options.tta)
            if key not in speeds:
                listener.began("timing the first tiles")
                speeds[key] = _measure(work)
                seconds += speeds[key].setup
            seconds += speeds[key].per_pixel * plan.computed_pixels * _BESIDES
    entry = failed_entry(job, predictor, "", status="planned")
    return entry | {
        "mask": str(job.files.mask),
        "seconds": round(seconds, 3),
        "megapixels": round(plan.blocks.area / 1e6, 6),
        "computed_megapixels": round(plan.computed_pixels / 1e6, 6),
        "tiles": len(plan.cover.tiles),
        "memory_mb": round(plan.memory.total / 1e6, 1),
        "disk_mb": round(work.disk_need.expected / 1e6, 1),
        "warnings": stats.warnings,
        "error": None,
    }


def _measure(job: Job) -> _Speed:
    """Time a few tiles in the middle of the slide."""
    plan = job.plan
    core = plan.cover.tiles[len(plan.cover.tiles) // 2].core
    top = core.y // BAND_HEIGHT * BAND_HEIGHT
    window = Box(top, core.x, min(BAND_HEIGHT, plan.plane.height - top), core.width)
    stream = TileStream(job.slide, job.predictor, plan, job.options)
    pixels = sum(tile.box.area for tile in stream.tiles(window)) * plan.orientations
    first = _time(stream, window)
    seconds = first if first > _ENOUGH else _time(stream, window)
    return _Speed(stream.setup_seconds, seconds / max(1, pixels))


def _time(stream: TileStream, window: Box) -> float:
    watch = Stopwatch()
    for step in stream.steps(window):
        for _ in step.bands:
            pass
    return watch.total

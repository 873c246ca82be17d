"""What of an interrupted run is believed, and what is left to do."""

from __future__ import annotations

from collections.abc import Sequence

from wsiseg.segmentation.job import Job
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.store.arrays import BAND_HEIGHT
from wsiseg.store.journal import BandRecord, Journal
from wsiseg.store.masks import MaskStore
from wsiseg.tiling.boxes import Box


def recover_bands(job: Job, journal: Journal, stats: RunStats) -> list[BandRecord]:
    """Return the bands of an interrupted run that are on the disk as its journal says.

    The others are forgotten, and done again.

    Parameters
    ----------
    job : Job
        What is gone on with, if the options say so.
    journal : Journal
        Of the interrupted run; holds afterwards what is returned.
    stats : RunStats
        Told of what does not hold.

    Raises
    ------
    OutputError
        If the journal is none, or one of a run with other settings.
    """
    files = job.files
    if not (job.options.resume and files.journal.exists()):
        return []
    bands = [band for window in job.plan.windows for band in cut_into_bands(window)]
    said, useless = journal.read(frozenset(bands))
    stats.began("checking what the interrupted run has left")
    done = _find_intact(job, said, stats)
    lost = len(said) - len(done) + useless
    if lost:
        stats.warn(
            f"{lost} of {len(said) + useless} bands of the interrupted run are not on the disk as "
            "its journal says; they are done again"
        )
    if done:
        # A line that is cut short goes as well.
        files.mark_unfinished()
        journal.begin(done)
        store = open_store(job, fresh=False)
        for band in set(bands).difference(record.box for record in done):
            store.remove_band(band)
    return done


def _find_intact(job: Job, said: list[BandRecord], stats: RunStats) -> list[BandRecord]:
    files, plane = job.files, job.plan.plane
    classes = len(job.predictor.checkpoint.classes)
    kept = files.probabilities if job.options.probabilities else None
    if not MaskStore.can_resume(
        files.mask, (plane.height, plane.width), classes, probabilities=kept
    ):
        return []
    store = open_store(job, fresh=False)
    done = []
    for record in said:
        if _is_of_grid(record, job) and store.has_band(record):
            done.append(record)
        stats.heartbeat()
    return done


def _is_of_grid(record: BandRecord, job: Job) -> bool:
    """Tell whether the tiles that a record names are the grid's."""
    grid = job.plan.grid
    return all(
        row.index < len(grid) and (row.y, row.x) == (grid[row.index].box.y, grid[row.index].box.x)
        for row in record.rows
    )


def open_store(job: Job, *, fresh: bool) -> MaskStore:
    """Open a job's store, or make it anew."""
    plane, files = job.plan.plane, job.files
    return MaskStore(
        files.mask,
        (plane.height, plane.width),
        job.predictor.checkpoint.classes,
        probabilities=files.probabilities if job.options.probabilities else None,
        fresh=fresh,
    )


def cut_into_bands(window: Box) -> list[Box]:
    """Return the bands in which a window is finished."""
    return [
        Box(top, window.x, min(BAND_HEIGHT, window.bottom - top), window.width)
        for top in range(window.y, window.bottom, BAND_HEIGHT)
    ]


def unfinished_boxes(windows: Sequence[Box], done: Sequence[BandRecord]) -> list[Box]:
    """Return what is left of windows, bands below each other as one."""
    standing = {record.box for record in done}
    left: list[Box] = []
    for band in (band for window in windows for band in cut_into_bands(window)):
        if band in standing:
            continue
        if left and (left[-1].x, left[-1].bottom) == (band.x, band.y):
            above = left.pop()
            left.append(Box(above.y, above.x, above.height + band.height, above.width))
        else:
            left.append(band)
    return left

"""Resuming a run: whether it is finished, which bands are intact on disk, which are left to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wsiseg.models.runtimes import Predictor
from wsiseg.models.runtimes.choosing import PRECISIONS
from wsiseg.models.runtimes.runtime import Precision
from wsiseg.segmentation.job import Job, companions_of, pyramids_of
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.provenance import identify, is_record_of, read_run
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.store.arrays import BAND_HEIGHT
from wsiseg.store.checking import find_damage, find_damaged_layout
from wsiseg.store.companions import NOTHING, list_companions
from wsiseg.store.journal import BandRecord, Journal, refuse_other_run, remove_journal
from wsiseg.store.masks import MaskStore, remove_raw
from wsiseg.store.outputs import OutputFiles
from wsiseg.store.shard_counts import find_lost_shards
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides import Slide


def find_recorded(
    slide: Slide, predictor: Predictor, options: SegmentOptions, files: OutputFiles, stats: RunStats
) -> dict[str, Any] | None:
    """Return the run file of a finished run that is the one asked for, by its record alone.

    That spares the plan, with its search for tissue, wherever settings, weights and slide are those
    of the record.  Where they are not, or files count that may have changed, the plan tells.

    Parameters
    ----------
    slide : Slide
        Open.
    predictor : Predictor
        Its weights and runtime count.
    options : SegmentOptions
        Without `resume` no run counts as finished.
    files : OutputFiles
        Of the slide.
    stats : RunStats
        Receives what is being done.

    Raises
    ------
    OutputError
        If the run file is damaged.
    """
    if not (options.resume and files.run.is_file()):
        return None
    run = read_run(files.run)
    if not is_record_of(run, slide, predictor, options):
        return None
    plane = run["identity"].get("plane")
    if not isinstance(plane, dict) or not all(
        isinstance(plane.get(side), int) for side in ("height", "width")
    ):
        return None
    shape = (plane["height"], plane["width"])
    stats.began("checking the existing mask")
    if _find_damage(files, options, predictor, run, stats, shape=shape) is not None:
        # What is to be done about it is said when it is planned.
        return None
    return _settle_finished(files, run, stats)


def find_finished(job: Job, stats: RunStats) -> dict[str, Any] | None:
    """Return the content of the run file of a resumed run with nothing left to do, or None.

    Parameters
    ----------
    job : Job
        The job to resume; without `resume` in its options no run counts as finished.
    stats : RunStats
        Receives a warning if the finished run's stores are damaged.

    Raises
    ------
    OutputError
        If the run file is damaged, or belongs to a run with other settings.
    """
    files, plane = job.files, job.plan.plane
    if not (job.options.resume and files.run.is_file()):
        return None
    run = read_run(files.run)
    refuse_other_run(run["identity"], identify(job), files.run)
    stats.began("checking the existing mask")
    shape = (plane.height, plane.width)
    damage = _find_damage(files, job.options, job.predictor, run, stats, shape=shape)
    if damage is not None:
        stats.warn(f"the finished mask is damaged: {damage}; it is recomputed")
        return None
    return _settle_finished(files, run, stats)


def _settle_finished(files: OutputFiles, run: dict[str, Any], stats: RunStats) -> dict[str, Any]:
    stats.began("already finished, nothing to do")
    # Of a run that was killed between its last two steps.
    remove_raw(files.mask)
    remove_journal(files.journal)
    return run


def begun_precision(files: OutputFiles) -> Precision | None:
    """Return the precision in which the run that stands was begun; None if there is none.

    Parameters
    ----------
    files : OutputFiles
        Of the slide.

    Raises
    ------
    OutputError
        If the journal or the run file is damaged.
    """
    if files.journal.exists():
        identity, _ = Journal(files.journal, {}).read_progress()
    elif files.run.is_file():
        identity = read_run(files.run)["identity"]
    else:
        return None
    begun = identity.get("precision")
    return next((known for known in PRECISIONS if known == begun), None)


def _find_damage(
    files: OutputFiles,
    options: SegmentOptions,
    predictor: Predictor,
    run: dict[str, Any],
    stats: RunStats,
    *,
    shape: tuple[int, int],
) -> str | None:
    """Return what is wrong with the stores of a finished run, or None."""
    classes = predictor.checkpoint.classes
    for companion in list_companions(classes, **companions_of(files, options)):
        damage = find_damaged_layout(companion.path, companion.shape(shape), NOTHING)
        if damage is not None:
            return damage
    if options.with_image:
        damage = find_damaged_layout(files.store, (3, *shape), 255)
        if damage is not None:
            return damage
    before = run.get("shards", {})
    for name, group in pyramids_of(files, options).items():
        # Earlier versions did not count them.
        damage = find_lost_shards(group, before[name]) if name in before else None
        if damage is not None:
            return damage
    counts = [entry["pixels"] for entry in run["summary"]["classes"]]
    if len(counts) != len(classes):
        return "its run file tells of other classes"
    return find_damage(files.mask, shape, counts, stats.heartbeat)


def recover_bands(job: Job, journal: Journal, stats: RunStats) -> list[BandRecord]:
    """Return the bands of an interrupted run that are on disk as its journal says.

    The other bands are removed, to be done again.

    Parameters
    ----------
    job : Job
        The job to resume; without `resume` in its options nothing is recovered.
    journal : Journal
        Of the interrupted run; holds exactly the returned records afterwards.
    stats : RunStats
        Receives a warning if bands are lost.

    Raises
    ------
    OutputError
        If the journal is damaged, or belongs to a run with other settings.
    """
    files = job.files
    if not (job.options.resume and files.journal.exists()):
        return []
    bands = [band for window in job.plan.windows for band in cut_into_bands(window)]
    said, useless = journal.read(frozenset(bands))
    stats.began("checking the finished bands of the interrupted run")
    done = _find_intact(job, said, stats)
    lost = len(said) - len(done) + useless
    if lost:
        stats.warn(
            f"{lost} of {len(said) + useless} bands of the interrupted run are missing or damaged; "
            "they are recomputed"
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
    plane, classes = job.plan.plane, job.predictor.checkpoint.classes
    shape, raw = (plane.height, plane.width), job.plan.refinement.changes_areas
    if not MaskStore.can_resume(job.files.mask, shape, classes, **job.companions, raw=raw):
        return []
    store = open_store(job, fresh=False)
    done = []
    for record in said:
        if _is_of_grid(record, job) and store.has_band(record):
            done.append(record)
        stats.heartbeat()
    return done


def _is_of_grid(record: BandRecord, job: Job) -> bool:
    """Tell whether the tiles that a record names are the plan's."""
    tiles = job.plan.cover.tiles
    return all(
        row.index < len(tiles) and (row.y, row.x) == tiles[row.index].box.corner
        for row in record.rows
    )


def open_store(job: Job, *, fresh: bool) -> MaskStore:
    """Open the mask store of a job.

    Parameters
    ----------
    job : Job
        The slide, its plan and its output files.
    fresh : bool
        Whether to create empty arrays; otherwise those on disk are opened.
    """
    plane = job.plan.plane
    return MaskStore(
        job.files.mask,
        (plane.height, plane.width),
        job.predictor.checkpoint.classes,
        **job.companions,
        fresh=fresh,
        raw=job.plan.refinement.changes_areas,
    )


def cut_into_bands(window: Box) -> list[Box]:
    """Return the bands of a window, from top to bottom."""
    return [
        Box(top, window.x, min(BAND_HEIGHT, window.bottom - top), window.width)
        for top in range(window.y, window.bottom, BAND_HEIGHT)
    ]


def unfinished_boxes(windows: Sequence[Box], done: Sequence[BandRecord]) -> list[Box]:
    """Return the parts of windows that are left to do, with adjacent bands merged.

    Parameters
    ----------
    windows : sequence of Box
        Column stripes of the plan.
    done : sequence of BandRecord
        Bands that are finished.
    """
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

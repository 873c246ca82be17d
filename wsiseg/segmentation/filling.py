"""Fills the bands of a mask: tiles through the network, bands to the disk, records to a journal.

The rest of the job does not know who does that.  Here it is this process; a cluster gives the same
to its workers, each of which fills its part as :func:`fill_boxes` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from wsiseg.errors import DamagedSlideError, TooManyBadTilesError
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.segmentation.streaming import TileStream
from wsiseg.store.band_writer import BandWriter
from wsiseg.store.journal import Journal
from wsiseg.store.masks import MaskStore
from wsiseg.tiling.boxes import Box

Fill = Callable[[MaskStore, Journal, Sequence[Box]], None]
"""Fills parts of the plane, whole bands each, and records every band in the journal."""

Prepare = Callable[[Job, RunStats], Fill]
"""Makes the network ready for a job, before anything that stands is touched."""


class Workers(Protocol):
    """Others who fill the bands of a mask, such as :class:`wsiseg.cluster.Cluster`."""

    def prepare(self, job: Job, stats: RunStats) -> Fill:
        """Make the network ready for a job, before anything that stands is touched.

        Parameters
        ----------
        job : Job
            The slide, its settings and its plan.
        stats : RunStats
            Counts what is done.
        """
        ...


def fill_here(job: Job, stats: RunStats) -> Fill:
    """Make the network ready in this process.

    Parameters
    ----------
    job : Job
        The slide, its settings and its plan.
    stats : RunStats
        Counts what is done.

    Returns
    -------
    callable
        Fills parts of the plane, one after the other.

    Raises
    ------
    RuntimeUnavailableError
        If the runtime cannot compile the network.
    """
    stream = TileStream(job.slide, job.predictor, job.plan, job.options)
    stats.setup_seconds = stream.setup_seconds

    def fill(store: MaskStore, journal: Journal, boxes: Sequence[Box]) -> None:
        stats.expect(sum(len(stream.tiles(box)) for box in boxes))
        with BandWriter(store, journal, job.plan.classes) as writer:
            for box in boxes:
                _fill_box(job, box, stream, writer, stats)
            stats.predicted_at = stats.watch.total
            writer.wait()
        stats.record_written(writer.counts)
        for note in stream.notes:
            stats.warn(note)

    return fill


def _fill_box(job: Job, box: Box, stream: TileStream, writer: BandWriter, stats: RunStats) -> None:
    for step in stream.steps(box):
        stats.record_step(step, box)
        if step.read is not None and step.read.error is not None:
            judge_bad_tile(job, step.read.error, stats)
        for band in step.bands:
            with stats.timed_write(step):
                writer.write(band, stats.pop_new_rows())


def judge_bad_tile(job: Job, error: DamagedSlideError, stats: RunStats) -> None:
    """Raise if one more unreadable tile is one too many.

    Parameters
    ----------
    job : Job
        `on_bad_tile` and `max_bad_tiles` of its options count.
    error : DamagedSlideError
        Why the tile could not be read.
    stats : RunStats
        The tile has been counted.

    Raises
    ------
    DamagedSlideError, TooManyBadTilesError
        If the run is to end here.
    """
    if job.options.on_bad_tile == "fail":
        raise error
    tiles, unread = len(job.plan.cover.tiles), stats.unread_tiles
    allowed = job.options.bad_tiles_allowed(tiles)
    if unread > allowed:
        raise TooManyBadTilesError(
            f"{unread} of {tiles} tiles cannot be read, {allowed} are allowed; "
            f"the last: {error.what}",
            job.slide.path,
            "Allow more with `max_bad_tiles`.",
        )

"""One slide, with runs of whole bands as tasks."""

from __future__ import annotations

import importlib.metadata
import itertools
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from wsiseg.cluster.cutting import cut_into_runs
from wsiseg.cluster.desk import Desk
from wsiseg.cluster.messages import BandDone, Began, Mailbox, Message, TileDelay, TileDone
from wsiseg.cluster.orders import (
    BandsOrder,
    RuntimeWish,
    refer_to_checkpoint,
    refer_to_slide,
)
from wsiseg.cluster.workforce import Workforce
from wsiseg.cluster.working import Outcome, fill_bands
from wsiseg.errors import ClusterError, DamagedSlideError
from wsiseg.segmentation.filling import Fill, judge_bad_tile
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.resuming import cut_into_bands, unfinished_boxes
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.store.disk import Json
from wsiseg.store.holders import read_holder
from wsiseg.store.journal import BandRecord, Journal
from wsiseg.store.masks import MaskStore
from wsiseg.text import plural
from wsiseg.tiling.boxes import Box

_AT_LEAST = 4
"""Workers of a scheduler for which a slide is cut, though fewer may be there when it begins."""

_MOST_LOSSES = 4
"""Workers that may be lost at one and the same band; after that it is the band's fault."""


def fill_on_cluster(cluster: Workforce, job: Job, stats: RunStats) -> Fill:
    """Make ready to fill a mask by the workers of a cluster.

    Parameters
    ----------
    cluster : Workforce
        Connected and checked.
    job : Job
        The slide, its settings and its plan.
    stats : RunStats
        Counts what is done, by whomever.

    Returns
    -------
    callable
        Fills parts of the plane; bands are recorded in the journal in the order in which they are
        done.

    Raises
    ------
    ArgumentError
        If the workers could not get at the checkpoint.
    """
    checkpoint, slide = refer_to_checkpoint(job.predictor.checkpoint), refer_to_slide(job)
    choice = job.predictor.choice
    wish = RuntimeWish(choice.runtime, choice.device, choice.precision, job.options.threads)

    def fill(store: MaskStore, journal: Journal, boxes: Sequence[Box]) -> None:
        whole = job.options.blend != "crop"
        workers = cluster.count()
        if not cluster.local:
            # Jobs may still wait in a queue.
            workers = max(_AT_LEAST, workers)
        runs = cut_into_runs(boxes, job.plan.cover, workers, whole=whole)
        stats.expect(sum(len(job.tiles_of(run)) for run in runs))
        name = f"wsiseg-{uuid.uuid4().hex}"
        mailbox = Mailbox(name, cluster.client)
        template = BandsOrder(
            key="",
            mailbox=name,
            version=importlib.metadata.version("wsiseg"),
            slide=slide,
            checkpoint=checkpoint,
            wish=wish,
            options=job.options,
            plan=replace(job.plan, tissue=None),
            files=replace(job.files, folder=job.files.folder.absolute()),
            box=job.plan.plane.box,
            holder=read_holder(job.files.lock),
        )
        clerk = _Clerk(job, stats, store, journal, template)
        try:
            for _ in Desk(cluster, mailbox, fill_bands, clerk).serve(clerk.orders_for(runs)):
                pass
        finally:
            stats.workers = clerk.describe()
            mailbox.close()
        stats.predicted_at = stats.watch.total
        stats.record_written(clerk.counts)
        for note in clerk.notes:
            stats.warn(note)

    return fill


@dataclass
class _Worker:
    """What is known of a worker."""

    address: str
    began: Began
    tiles: int = 0
    forward_seconds: float = 0.0
    setup_seconds: float = 0.0
    peak_rss_mb: float = 0.0
    lost: bool = False
    discarded: int = 0
    boxes: list[Box] = field(default_factory=list)

    def as_json(self) -> Json:
        return {
            "address": self.address,
            **asdict(self.began),
            "tiles": self.tiles,
            "forward_seconds": round(self.forward_seconds, 3),
            "setup_seconds": round(self.setup_seconds, 3),
            "peak_rss_mb": round(self.peak_rss_mb, 1),
            "lost": self.lost,
            "discarded_bands": self.discarded,
            "bands": [asdict(box) for box in self.boxes],
        }


class _Clerk:
    """Counts what workers do, keeps the journal, and says what is left of a lost worker's run."""

    def __init__(
        self, job: Job, stats: RunStats, store: MaskStore, journal: Journal, template: BandsOrder
    ) -> None:
        self._job, self._stats, self._store, self._journal = job, stats, store, journal
        self._template = template
        self._numbers = itertools.count()
        self._tiles = {tile.index: tile for tile in job.plan.cover.tiles}
        self._workers: dict[str, _Worker] = {}
        self._done: dict[Box, BandRecord] = {}
        # The first attempt at a run, by the key of any; and pixels without numbers of its tiles.
        self._roots: dict[str, str] = {}
        self._numberless: dict[tuple[str, int], int] = {}
        self._losses: Counter[Box] = Counter()
        self.counts = np.zeros(job.plan.classes, np.int64)
        self.notes: dict[str, None] = {}

    def orders_for(self, runs: Iterable[Box], root: str | None = None) -> list[BandsOrder]:
        """Return orders to fill parts of the plane."""
        orders = []
        for run in runs:
            key = f"{self._template.mailbox}-{next(self._numbers)}"
            self._roots[key] = root or key
            orders.append(replace(self._template, key=key, box=run))
        return orders

    def heard(self, order: BandsOrder, worker: str, message: Message) -> None:
        match message:
            case Began():
                self._workers.setdefault(worker, _Worker(worker, message))
            case TileDone():
                self._count_tile(order, worker, message)
            case TileDelay():
                self._stats.record_delay(message.index, message.stitch_ms, message.write_ms)
            case BandDone():
                self._record(worker, message.record)

    def _count_tile(self, order: BandsOrder, worker: str, done: TileDone) -> None:
        row, tile = done.row, self._tiles[done.row.index]
        known = self._workers[worker]
        known.tiles += 1
        known.forward_seconds += row.forward_ms / 1e3
        place = self._roots[order.key], row.index
        again = place in self._numberless
        # Who does a tile again sees no more of it than was seen before.
        before = self._numberless.get(place, 0)
        self._numberless[place] = max(before, row.without_numbers)
        row.without_numbers = self._numberless[place] - before
        box = Box(order.box.y, order.box.x, 0, 0) if again else order.box
        self._stats.record_tile(row, tile, box, done.unread)
        if done.unread is not None:
            judge_bad_tile(
                self._job, DamagedSlideError(done.unread, self._job.slide.path), self._stats
            )

    def _record(self, worker: str, record: BandRecord) -> None:
        if record.box in self._done:
            return
        self._done[record.box] = record
        self._journal.record(replace(record, rows=self._stats.pop_new_rows()))
        self.counts += record.counts
        self._workers[worker].boxes.append(record.box)

    def ended(self, order: BandsOrder, worker: str, result: Outcome) -> Iterable[BandsOrder]:
        if result.error is not None:
            raise result.error
        known = self._workers[worker]
        known.setup_seconds = max(known.setup_seconds, result.setup_seconds)
        known.peak_rss_mb = max(known.peak_rss_mb, result.peak_rss_mb)
        self._stats.peak_elsewhere_mb = max(self._stats.peak_elsewhere_mb, result.peak_rss_mb)
        self._stats.setup_seconds = max(self._stats.setup_seconds, result.setup_seconds)
        self.notes |= dict.fromkeys(result.notes)
        return self.orders_for(self._left(order), self._roots[order.key])

    def lost(self, order: BandsOrder, worker: str) -> Iterable[BandsOrder]:
        if worker in self._workers:
            self._workers[worker].lost = True
        left = self._left(order)
        if not left:
            return ()
        bands = [band for box in left for band in cut_into_bands(box)]
        self._losses[bands[0]] += 1
        if self._losses[bands[0]] == _MOST_LOSSES:
            raise ClusterError(
                f"{_MOST_LOSSES} workers were lost one after the other at the band at "
                f"y={bands[0].y}, x={bands[0].x}",
                None,
                "If their memory ran out, give them more or allow less with `memory`; continue "
                "with `resume`.",
            )
        self._stats.warn(
            f"the worker {worker} was lost; {plural(len(bands), 'band')} that it had not finished "
            "are done by others"
        )
        # What it was just writing, or had written and could not tell any more.
        discarded = sum([self._store.remove_band(band) for band in bands])
        if worker in self._workers:
            self._workers[worker].discarded += discarded
        return self.orders_for(left, self._roots[order.key])

    def _left(self, order: BandsOrder) -> list[Box]:
        bands = frozenset(cut_into_bands(order.box))
        done = [record for box, record in self._done.items() if box in bands]
        return unfinished_boxes([order.box], done)

    def heartbeat(self) -> None:
        self._stats.heartbeat()

    def waiting(self) -> None:
        self._stats.began("waiting for workers")

    def describe(self) -> list[Json]:
        """Return who did what, for the run file."""
        return [each.as_json() for each in self._workers.values()]

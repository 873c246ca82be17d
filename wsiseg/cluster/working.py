"""What a worker does: it carries out one order, and says what it has done."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from distributed import get_worker

from wsiseg.cluster.bench import check_version, find_bench
from wsiseg.cluster.messages import (
    BandDone,
    Began,
    Called,
    Letter,
    Mailbox,
    Message,
    Say,
    StoppedError,
    TileDelay,
    TileDone,
)
from wsiseg.cluster.orders import BandsOrder, RuntimeWish, SlideOrder
from wsiseg.errors import ClusterError, WsisegError
from wsiseg.models.runtimes import Predictor
from wsiseg.remote.addresses import is_remote
from wsiseg.segmentation.executing import Predictors, segment_job
from wsiseg.segmentation.filling import Fill, Prepare, fill_here
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.resuming import cut_into_bands, open_store
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.segmentation.slide_jobs import SlideJob, SlideOutcome
from wsiseg.segmentation.streaming import TileStream
from wsiseg.store.band_writer import BandWriter
from wsiseg.store.disk import Json
from wsiseg.store.holders import read_holder
from wsiseg.store.journal import BandRecord, Journal
from wsiseg.store.masks import MaskStore
from wsiseg.throughput.hardware import describe_hardware, peak_rss_mb
from wsiseg.throughput.recorder import Stopwatch
from wsiseg.tiling.boxes import Box

if TYPE_CHECKING:
    from distributed import Worker


@dataclass(frozen=True)
class Outcome:
    """How an order ended.

    Attributes
    ----------
    setup_seconds : float
        Seconds that preparing the network took.
    peak_rss_mb : float
        The most memory that the worker's process has taken so far, in MiB.
    notes : tuple of str
        What the runtime had to do otherwise than was asked for.
    error : WsisegError or None
        Why the order was not carried out.
    """

    setup_seconds: float = 0.0
    peak_rss_mb: float = 0.0
    notes: tuple[str, ...] = ()
    error: WsisegError | None = None


class _Recorder:
    """In place of the journal: tells the driver of each band that is on disk."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def record(self, record: BandRecord) -> None:
        self._say(BandDone(record))


def fill_bands(order: BandsOrder) -> Outcome:
    """Fill a run of bands, in a worker.

    Parameters
    ----------
    order : BandsOrder
        What to do.

    Returns
    -------
    Outcome
        What could not be done is told there, so that dask does not repeat it elsewhere.
    """
    worker = get_worker()
    try:
        check_version(order.version)
        bench = find_bench(worker)
        with bench.taken():
            say = speaker(worker, order.key, order.mailbox)
            predictor = bench.predictor(order.checkpoint, order.wish)
            say(introduce(predictor))
            slide = bench.slide(order.slide)
            if not order.files.mask.is_dir() or not _is_held(order):
                raise _unseen(order.files.mask)
            readers = order.options.readers or predictor.choice.threads
            plan = replace(order.plan, readers=min(order.plan.readers, readers))
            job = Job(slide, predictor, order.options, plan, order.files)
            return _fill(job, order, say)
    except WsisegError as error:
        return Outcome(error=error)


def _fill(job: Job, order: BandsOrder, say: Say) -> Outcome:
    stream = TileStream(job.slide, job.predictor, job.plan, job.options)
    store = open_store(job, fresh=False)
    with BandWriter(store, _Recorder(say), job.plan.classes) as writer:
        for step in stream.steps(order.box):
            row = step.row
            said = None if row is None else replace(row)
            if step.read is not None and said is not None:
                error = step.read.error
                say(TileDone(said, None if error is None else error.what))
            waited = 0.0
            for band in step.bands:
                if not _is_held(order):
                    raise StoppedError
                waiting = Stopwatch()
                writer.write(band, [])
                waited += waiting.total
            if row is not None and said is not None and waited:
                say(TileDelay(row.index, row.stitch_ms - said.stitch_ms, waited * 1e3))
        writer.wait()
    return Outcome(stream.setup_seconds, peak_rss_mb(), stream.notes)


def _is_held(order: BandsOrder) -> bool:
    """Tell whether the driver still has the output.

    A worker that the scheduler has lost does not know so; if another run has taken the output
    meanwhile, nothing more is to be written.
    """
    return not order.holder or read_holder(order.files.lock) == order.holder


def segment_one(order: SlideOrder) -> SlideOutcome | WsisegError:
    """Segment a slide, in a worker.

    Parameters
    ----------
    order : SlideOrder
        What to do.

    Returns
    -------
    SlideOutcome or WsisegError
        What became of the slide; or why this worker cannot do any.
    """
    worker = get_worker()
    try:
        check_version(order.version)
        bench = find_bench(worker)
        with bench.taken():
            say = speaker(worker, order.key, order.mailbox)
            if not is_remote(order.job.folder) and not order.job.folder.is_dir():
                raise _unseen(order.job.folder)
            predictor = bench.predictor(order.checkpoint, RuntimeWish.of(order.job.options))
            began = introduce(predictor)
            say(began)
            most = 4 if predictor.choice.device == "cpu" else 16
            options = order.job.options
            options = options.replace(readers=options.readers or min(most, order.cores))
            job = replace(order.job, options=options)
            signed = _signed({"address": worker.address, **asdict(began)})
            with ExitStack() as claim:
                given = _Given(predictor)
                outcome = segment_job(job, given, Forwarder(say), claim, prepare=signed)
            return replace(outcome, job=order.job, error=_portable(outcome.error))
    except WsisegError as error:
        return error


def _signed(who: Json) -> Prepare:
    """Return what fills a mask in this process, and says in the run file who did."""

    def prepare(job: Job, stats: RunStats) -> Fill:
        fill = fill_here(job, stats)

        def fill_and_sign(store: MaskStore, journal: Journal, boxes: Sequence[Box]) -> None:
            fill(store, journal, boxes)
            bands = [asdict(band) for box in boxes for band in cut_into_bands(box)]
            stats.workers.append({**who, "tiles": len(stats.rows), "bands": bands})

        return fill_and_sign

    return prepare


def _portable(error: Exception | None) -> Exception | None:
    """Return an error that another process can read; what a library raises may not be so."""
    try:
        pickle.loads(pickle.dumps(error))
    # Pickling runs the class's own code, which may raise anything; its words go over in its place.
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class _Given(Predictors):
    """The one predictor of a worker."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self._predictor = predictor

    def of(self, job: SlideJob) -> Predictor:
        return self._predictor

    def made_for(self, job: SlideJob) -> Predictor | None:
        return self._predictor


class Forwarder(Listener):
    """Passes the events of a slide on to the driver.

    Parameters
    ----------
    say : callable
        Says something to the driver; raises if nobody listens any more, which ends the slide.
    """

    def __init__(self, say: Say) -> None:
        self._say = say

    def began(self, stage: str) -> None:
        """Pass on that a stage began."""
        self._say(Called("began", (stage,)))

    def heartbeat(self) -> None:
        """Stop if nobody listens any more."""
        self._say(None)

    def searched(self, share: float) -> None:
        """Stop if nobody listens any more."""
        self._say(None)

    def expects(self, tiles: int) -> None:
        """Pass on how many tiles there will be."""
        self._say(Called("expects", (tiles,)))

    def advanced(self, pixels: int) -> None:
        """Pass on that a tile is done."""
        self._say(Called("advanced", (pixels,)))

    def warned(self, text: str) -> None:
        """Pass on a warning."""
        self._say(Called("warned", (text,)))

    def finished(self, run: Json) -> None:
        """Pass on the content of the run file."""
        self._say(Called("finished", (run,)))


def _unseen(place: Path) -> ClusterError:
    return ClusterError(
        f"the worker on {socket.gethostname()} does not see the output",
        place,
        "Workers need the slides and the output folder under the same paths as here.",
    )


def introduce(predictor: Predictor) -> Began:
    """Return who works."""
    choice = predictor.choice
    processor = str(describe_hardware()["processor"])
    return Began(socket.gethostname(), os.getpid(), choice.device, choice.threads, processor)


def speaker(worker: Worker, key: str, mailbox: str) -> Say:
    """Return what says something to the driver.

    Parameters
    ----------
    worker : Worker
        This one.
    key : str
        Of the order, which is the name of the task as well.
    mailbox : str
        Where to say it.
    """
    box = Mailbox(mailbox)

    def say(message: Message | None) -> None:
        task = worker.state.tasks.get(key)
        # Who ended the driver, or the order, does not want the rest.
        if task is None or task.state != "executing":
            raise StoppedError
        if message is not None:
            box.post(Letter(key, worker.address, message))

    return say

"""A cohort, with slides as tasks."""

from __future__ import annotations

import importlib.metadata
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from wsiseg.checkpoints import take_checkpoint
from wsiseg.cluster.desk import Desk
from wsiseg.cluster.messages import Began, Called, Mailbox, Message
from wsiseg.cluster.orders import (
    CheckpointReference,
    SlideOrder,
    from_the_root,
    refer_to_checkpoint,
)
from wsiseg.cluster.workforce import Workforce
from wsiseg.cluster.working import segment_one
from wsiseg.errors import ClusterError, SlideNotFoundError, WsisegError
from wsiseg.models.runtimes.choosing import usable_cores
from wsiseg.remote.addresses import is_remote
from wsiseg.segmentation.entries import describe_error, failed_entry, interrupted_entry
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.slide_jobs import SlideJob, SlideOutcome

_MOST_LOSSES = 3
"""Workers that may be lost at one and the same slide; after that it is the slide's fault."""

_PATIENCE = 65.0
"""Seconds until every machine sees what another one has written; networks' file systems remember
for up to a minute."""


class SlidesOnCluster:
    """Runs the jobs of a cohort on the workers of a cluster, a slide each.

    Parameters
    ----------
    cluster : Workforce
        Connected and checked.
    listener : Listener
        Receives the events of all slides; tiles are those of the slides that are under way.
    """

    def __init__(self, cluster: Workforce, listener: Listener) -> None:
        self._cluster, self._listener = cluster, listener

    def run(self, jobs: Sequence[SlideJob]) -> Iterator[SlideOutcome]:
        """Yield an outcome for each job; see :class:`wsiseg.segmentation.slide_jobs.Execution`."""
        name = f"wsiseg-{uuid.uuid4().hex}"
        clerk = _Clerk(self._listener, name)
        orders = clerk.orders_for(jobs)
        mailbox = Mailbox(name, self._cluster.client)
        desk: Desk[SlideOrder] = Desk(self._cluster, mailbox, segment_one, clerk)
        try:
            for _ in desk.serve(orders):
                yield from clerk.take_outcomes()
        except (KeyboardInterrupt, WsisegError):
            # What had ended by then is recorded, whatever ends the rest.
            yield from clerk.take_outcomes()
            for slide in clerk.under_way:
                yield SlideOutcome(slide.job, interrupted_entry(slide.job, None), begun=True)
            raise
        finally:
            mailbox.close()
        yield from clerk.take_outcomes()


@dataclass
class _Slide:
    """What is known of a slide.

    Attributes
    ----------
    job : SlideJob
        As it was given.
    order : SlideOrder
        The last one.
    host : str or None
        Where it is done.
    begun : bool
        Whether the output of this run stands, so that it can be resumed.
    left : int
        Tiles that are left to do.
    """

    job: SlideJob
    order: SlideOrder
    host: str | None = None
    begun: bool = False
    left: int = 0


class _Clerk:
    """Passes on what workers say of slides, and has slides of lost workers resumed by others."""

    def __init__(self, listener: Listener, mailbox: str) -> None:
        self._listener, self._mailbox = listener, mailbox
        self._slides: dict[int, _Slide] = {}
        self._outcomes: deque[SlideOutcome] = deque()
        self._losses: Counter[int] = Counter()

    def orders_for(self, jobs: Sequence[SlideJob]) -> list[SlideOrder]:
        """Return an order for each job whose checkpoint can be used.

        Raises
        ------
        WsisegError
            If all have the same, and it cannot.
        """
        known: dict[object, CheckpointReference | WsisegError] = {}
        orders = []
        for job in jobs:
            # A checkpoint that is open already has no name to tell it by.
            key = job.checkpoint if isinstance(job.checkpoint, str) else id(job.checkpoint)
            if key not in known:
                try:
                    taken = take_checkpoint(job.checkpoint, began=self._listener.began)
                    known[key] = refer_to_checkpoint(taken)
                except WsisegError as error:
                    known[key] = error
            found = known[key]
            if isinstance(found, WsisegError):
                self._fail(job, found)
            else:
                orders.append(self._order(job, found))
        errors = [each for each in known.values() if isinstance(each, WsisegError)]
        if not orders and len(errors) == 1:
            raise errors[0]
        return orders

    def _order(self, job: SlideJob, checkpoint: CheckpointReference) -> SlideOrder:
        order = SlideOrder(
            key=f"{self._mailbox}-{job.number}-0",
            mailbox=self._mailbox,
            version=importlib.metadata.version("wsiseg"),
            checkpoint=checkpoint,
            job=from_the_root(replace(job, checkpoint=checkpoint.source)),
            cores=job.options.threads or usable_cores(),
        )
        self._slides[job.number] = _Slide(job, order)
        return order

    @property
    def under_way(self) -> list[_Slide]:
        """The slides that a worker has taken up and not ended."""
        return [slide for slide in self._slides.values() if slide.host is not None]

    def take_outcomes(self) -> Iterator[SlideOutcome]:
        """Yield what became of slides since the last call."""
        while self._outcomes:
            yield self._outcomes.popleft()

    def heard(self, order: SlideOrder, worker: str, message: Message) -> None:
        slide = self._slides.get(order.job.number)
        if slide is None:
            return
        match message:
            case Began():
                slide.host = message.host
                self._listener.began(f"{slide.job.slide.name} on {message.host}")
            case Called("expects", (int() as tiles,)):
                slide.begun, slide.left = True, tiles
                self._listener.expects(sum(each.left for each in self.under_way))
            case Called("advanced", (pixels,)):
                slide.left -= 1
                self._listener.advanced(pixels)
            case Called("warned", (text,)):
                self._listener.warned(f"{slide.job.slide.name}: {text}")
            case Called("finished", (run,)):
                self._listener.finished(run)

    def ended(
        self, order: SlideOrder, worker: str, result: SlideOutcome | WsisegError
    ) -> Iterable[SlideOrder]:
        if isinstance(result, WsisegError):
            raise result
        waits = result.entry["status"] == "skipped" and not order.job.files.finished
        if self._losses[order.job.number] and waits:
            # Who was lost may still hold the output for a moment.
            return self.lost(order, worker)
        slide = self._slides.pop(order.job.number)
        host, job = slide.host or worker, slide.job
        if result.error is not None:
            error = result.error
            if isinstance(error, SlideNotFoundError) and _is_here(job):
                error = ClusterError(
                    f"the worker on {host} does not see the slide",
                    job.slide,
                    "Workers need the slides under the same paths as here.",
                )
            self._fail(job, error, result)
        elif not _appears(job):
            error = ClusterError(
                f"what the worker on {host} wrote is not here",
                job.files.run,
                "Let all machines share the output folder.",
            )
            self._fail(job, error, result)
        else:
            entry = {**result.entry, "mask": str(job.files.mask), "host": host}
            self._outcomes.append(SlideOutcome(job, entry, None, result.begun))
        return ()

    def _fail(self, job: SlideJob, error: Exception, found: SlideOutcome | None = None) -> None:
        entry = failed_entry(job, None, describe_error(error))
        if found is not None:
            entry = {**found.entry, "error": describe_error(error), "slide": entry["slide"]}
            entry = {**entry, "status": "failed", "mask": None}
        self._outcomes.append(SlideOutcome(job, entry, error, found is not None and found.begun))

    def lost(self, order: SlideOrder, worker: str) -> Iterable[SlideOrder]:
        slide = self._slides[order.job.number]
        self._losses[order.job.number] += 1
        losses = self._losses[order.job.number]
        if losses == _MOST_LOSSES:
            del self._slides[order.job.number]
            error = ClusterError(
                f"{losses} workers were lost one after the other",
                slide.job.slide,
                "If their memory ran out, give them more or allow less with `memory`; continue "
                "with `resume`.",
            )
            self._fail(slide.job, error)
            return ()
        self._listener.warned(
            f"{slide.job.slide.name}: the worker {worker} was lost; another one goes on"
        )
        job = slide.order.job
        if slide.begun:
            options = job.options.replace(overwrite=False, resume=True)
            job = replace(job, options=options, before=None)
        key = f"{self._mailbox}-{job.number}-{losses}"
        slide.order = replace(slide.order, key=key, job=job)
        slide.host, slide.left = None, 0
        return (slide.order,)

    def heartbeat(self) -> None:
        self._listener.heartbeat()

    def waiting(self) -> None:
        self._listener.began("waiting for workers")


def _is_here(job: SlideJob) -> bool:
    return is_remote(job.slide) or job.slide.exists()


def _appears(job: SlideJob) -> bool:
    """Tell whether a worker's run file is seen here."""
    if is_remote(job.folder):
        return True
    end = time.monotonic() + _PATIENCE
    while not job.files.run.is_file():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
        # Looking into the folder makes a network's file system ask anew.
        with suppress(OSError):
            list(job.folder.iterdir())
    return True

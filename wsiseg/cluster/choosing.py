"""What runs the network is chosen by a worker: the driver may stand on a machine without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from distributed import get_worker

from wsiseg.checkpoints import take_checkpoint
from wsiseg.cluster.bench import find_bench
from wsiseg.cluster.orders import CheckpointReference, RuntimeWish, refer_to_checkpoint
from wsiseg.cluster.workforce import Workforce
from wsiseg.errors import ArgumentError, WsisegError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor, RuntimeChoice
from wsiseg.models.runtimes.choosing import usable_cores
from wsiseg.segmentation.executing import Predictors
from wsiseg.segmentation.slide_jobs import SlideJob


@dataclass(frozen=True)
class Answer:
    """What a worker would do.

    Attributes
    ----------
    choice : RuntimeChoice
        What it runs the network on.
    notes : tuple of str
        What was chosen otherwise than asked for, and why.
    batch : int
        Tiles at a time.
    """

    choice: RuntimeChoice
    notes: tuple[str, ...]
    batch: int


def answer(
    checkpoint: CheckpointReference, wish: RuntimeWish, tile: tuple[int, int]
) -> Answer | WsisegError:
    """Say what this worker would run a network on.

    Parameters
    ----------
    checkpoint : CheckpointReference
        The network.
    wish : RuntimeWish
        What the user asks for.
    tile : tuple of int
        ``(height, width)`` for which the batch is to be told.
    """
    try:
        bench = find_bench(get_worker())
        with bench.taken():
            predictor = bench.predictor(checkpoint, wish)
            return Answer(predictor.choice, predictor.notes, predictor.largest_batch(tile))
    except WsisegError as error:
        return error


class WorkersPredictor(Predictor):
    """Plans for workers; nothing is compiled here.

    Parameters
    ----------
    checkpoint : Checkpoint
        What they run.
    choice : RuntimeChoice
        On what.
    ask : callable
        Asks a worker; takes the ``(height, width)`` of a tile.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        choice: RuntimeChoice,
        ask: Callable[[tuple[int, int]], Answer],
    ) -> None:
        super().__init__(checkpoint, choice)
        self._ask = ask

    def largest_batch(self, tile: tuple[int, int]) -> int:
        """Return how many tiles a worker best computes at a time."""
        return self._ask(tile).batch


class ChosenByWorkers(Predictors):
    """The predictors of a cohort, on what a worker chooses.

    Parameters
    ----------
    cluster : Workforce
        Connected and checked.
    began : callable
        Told when a download begins.
    """

    def __init__(self, cluster: Workforce, began: Callable[[str], None]) -> None:
        super().__init__(began)
        self._cluster, self._tell = cluster, began

    def make(self, job: SlideJob) -> Predictor:
        """Return a predictor for a job."""
        checkpoint = take_checkpoint(job.checkpoint, began=self._tell)
        reference, wish = refer_to_checkpoint(checkpoint), RuntimeWish.of(job.options)

        def ask(tile: tuple[int, int]) -> Answer:
            found = self._cluster.ask(answer, reference, wish, tile)
            if isinstance(found, WsisegError):
                raise found
            return found

        given = ask((1024, 1024))
        if job.options.precision == "fast" and given.choice.device != "cpu":
            raise ArgumentError(
                "fast is not available on workers with GPUs",
                "`precision`",
                "Use fp16 or bf16, or segment without a cluster.",
            )
        # Threads only count in the plan, which is to be that of one process here.
        threads = job.options.threads or usable_cores()
        choice = replace(given.choice, threads=threads, adaptable=False)
        predictor = WorkersPredictor(checkpoint, choice, ask)
        predictor.notes = given.notes
        return predictor

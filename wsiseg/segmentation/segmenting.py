"""The main job: a slide in, a mask out.

Plan, read, predict, stitch, write, pyramid: the order of the functions below is that in which
pixels pass through them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from zarr.types import AnyArray

from wsiseg.checkpoints import take_checkpoint
from wsiseg.errors import AddressError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor, choose_runtime
from wsiseg.remote.remote_path import as_place
from wsiseg.segmentation.colouring import check_reference
from wsiseg.segmentation.fastest import FastChoice, choose_fastest
from wsiseg.segmentation.filling import Prepare, Workers, fill_here
from wsiseg.segmentation.finishing import finish_mask
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.keywords import SegmentKeywords
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Plan, make_plan
from wsiseg.segmentation.provenance import identify
from wsiseg.segmentation.refusing import (
    check_disk,
    refuse_existing,
    refuse_slide_as_output,
)
from wsiseg.segmentation.resuming import (
    begun_precision,
    find_finished,
    find_recorded,
    open_store,
    recover_bands,
    unfinished_boxes,
)
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.settings import keywords_from
from wsiseg.store.arrays import open_array
from wsiseg.store.journal import BandRecord, Journal
from wsiseg.store.locks import hold_lock
from wsiseg.store.masks import MaskStore
from wsiseg.store.outputs import OutputFiles, output_folder
from wsiseg.text import plural
from wsiseg.throughput.probes.power_meter import PowerMeter, find_probes
from wsiseg.throughput.recorder import Stopwatch
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides import Slide, with_slide_mpp
from wsiseg.tiling.tissue import TissueMask


@dataclass(frozen=True)
class SegmentResult:
    """The result of segmenting one slide.

    Attributes
    ----------
    mask : Path
        The OME-Zarr store of the mask.
    summary : dict
        The slide's entry of ``wsiseg segment --json``.
    finished_before : bool
        Whether an earlier run had made it, so that nothing was to be done.
    """

    mask: Path
    summary: dict[str, object]
    finished_before: bool = False

    @property
    def labels(self) -> AnyArray:
        """Level 0 of the mask: uint8 ``(H, W)``, 255 where nothing was analysed."""
        return open_array(self.mask / "0")


@keywords_from(SegmentOptions)
def segment(
    slide: Slide | Path | str,
    checkpoint: Checkpoint | Path | str | None = None,
    output: Path | str = ".",
    *,
    listener: Listener | None = None,
    cluster: Workers | None = None,
    **options: Unpack[SegmentKeywords],
) -> SegmentResult:
    """Segment one slide into a multiscale mask.

    Parameters
    ----------
    slide : Slide or path-like
        A file, or an open slide, which stays open.
    checkpoint : Checkpoint or path-like, optional
        Or the name of a bundled one or an address, as :func:`wsiseg.load_checkpoint` takes them;
        the bundled checkpoint for nuclei if left out.
    output : path-like
        Folder for the mask, the tile table and the run file; created if need be.
    listener : Listener, optional
        Receives the events of the run.
    cluster : Cluster, optional
        Whose workers take the tiles through the network, see :func:`wsiseg.cluster.open_cluster`;
        this process does if left out.
    **options
        Fields of :class:`wsiseg.segmentation.options.SegmentOptions`.

    Returns
    -------
    SegmentResult
        The mask's path, its labels, and the summary of the run.

    Raises
    ------
    WsisegError
        One of the kinds in :mod:`wsiseg.errors`; nothing is left that looks like a mask.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> import wsiseg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     slide = Path(folder, "picture.png")
    ...     Image.fromarray(np.full((96, 128, 3), 220, np.uint8)).save(slide)
    ...     settings = {"level": 0, "tissue": "none", "tile": 128, "runtime": "torch"}
    ...     result = wsiseg.segment(slide, output=folder, **settings)
    ...     print(result.mask.name, result.labels.shape, result.labels.dtype)
    picture.ome.zarr (96, 128) uint8
    """
    settings = SegmentOptions(**options)
    check_reference(settings.colours)
    with ExitStack() as stack:
        opening = Stopwatch()
        opened = (
            slide
            if isinstance(slide, Slide)
            else stack.enter_context(settings.open_slide(Path(slide)))
        )
        if isinstance(slide, Slide) and settings.slide_mpp is not None:
            opened = with_slide_mpp(opened, settings.slide_mpp, override=settings.override_mpp)
        elapsed = opening.total
        hears = listener or Listener()
        predictor = make_predictor(checkpoint, settings, hears.began)
        return segment_slide(
            opened,
            predictor,
            as_place(output),
            settings,
            hears,
            elapsed=elapsed,
            prepare=fill_here if cluster is None else cluster.prepare,
        )


def make_predictor(
    checkpoint: Checkpoint | Path | str | None,
    options: SegmentOptions,
    began: Callable[[str], None] | None = None,
) -> Predictor:
    """Return a predictor: the checkpoint with the runtime that the options ask for.

    Parameters
    ----------
    checkpoint : Checkpoint or path-like or None
        As :func:`segment` takes it.
    options : SegmentOptions
        `runtime`, `device`, `precision` and `threads` count.  A `precision` of ``fast`` is chosen
        per slide, so this predictor is one in fp32.
    began : callable, optional
        Told when a download begins.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be fetched or loaded.
    RuntimeUnavailableError
        If the runtime, device or precision is not available.
    """
    taken = take_checkpoint(checkpoint, began=began)
    precision = "fp32" if options.precision == "fast" else options.precision
    choice = choose_runtime(options.runtime, options.device, precision, options.threads)
    return Predictor(taken, choice)


def segment_slide(
    slide: Slide,
    predictor: Predictor,
    folder: Path,
    options: SegmentOptions,
    listener: Listener,
    *,
    name: str | None = None,
    tissue: TissueMask | None = None,
    elapsed: float = 0.0,
    held: Sequence[str] | None = None,
    still_held: Callable[[], None] | None = None,
    on_planned: Callable[[], None] | None = None,
    on_predicted: Callable[[], None] | None = None,
    prepare: Prepare = fill_here,
) -> SegmentResult:
    """Segment one open slide with a predictor, which can be used for further slides.

    Parameters
    ----------
    slide : Slide
        Open.
    predictor : Predictor
        The checkpoint and its runtime.
    folder : Path
        Folder for the mask.
    options : SegmentOptions
        The user's settings.
    listener : Listener
        Receives the events of the run.
    name : str, optional
        What the output files are called; as the slide if left out.
    tissue : TissueMask, optional
        Where tissue is, if that is known already.
    elapsed : float
        Seconds that opening the slide and finding its tissue took.
    held : sequence of str, optional
        Warnings of the lock of the output, if the caller holds it already.
    still_held : callable, optional
        Raises if that lock was lost meanwhile.
    on_planned : callable, optional
        Called after planning, if there is something to do.
    on_predicted : callable, optional
        Called when the last tile is through the network and only writing is left, if there is
        memory for a next slide.
    prepare : callable
        Gives what fills the bands of the mask: this process, or the workers of a cluster.

    Raises
    ------
    WsisegError
        As :func:`segment`.
    """
    files = OutputFiles(folder, name or slide.name, options.with_image)
    files.check_name()
    refuse_slide_as_output(slide, files)
    stats = RunStats(len(predictor.checkpoint.classes), listener, elapsed)
    lock = hold_lock(files.lock, stats.warn) if held is None else nullcontext()
    with output_folder(folder), lock as own:
        check = own or still_held
        if check is not None:
            stats.still_held = check
        for note in held or ():
            stats.warn(note)
        refuse_existing(files, options)
        finished = find_recorded(slide, predictor, options, files, stats)
        if finished is not None:
            listener.finished(finished)
            return SegmentResult(files.mask, finished["summary"], finished_before=True)
        listener.began("planning: resolution, tissue, memory")
        plan = make_plan(
            slide,
            predictor,
            options,
            tissue=tissue,
            prefetch=on_predicted is not None,
            searched=listener.searched,
        )
        fast = None
        if options.precision == "fast":
            listener.began("choosing the precision")
            fast = _choose_fastest(slide, predictor, plan, files, options)
            if fast.precision != predictor.choice.precision:
                # As if it had been named: tiles depend on what the network holds in it.
                predictor = predictor.at(fast.precision)
                prefetch = on_predicted is not None
                plan = make_plan(slide, predictor, options, tissue=plan.tissue, prefetch=prefetch)
        job = Job(slide, predictor, options, plan, files, fast)
        run = finished = find_finished(job, stats)
        if run is None:
            if on_planned is not None:
                on_planned()
            run = _run(job, stats, listener, on_predicted, prepare)
        listener.finished(run)
        return SegmentResult(files.mask, run["summary"], finished is not None)


def _choose_fastest(
    slide: Slide, predictor: Predictor, plan: Plan, files: OutputFiles, options: SegmentOptions
) -> FastChoice:
    """Choose the precision; a run that is resumed goes on in that in which it was begun."""
    begun = begun_precision(files) if options.resume else None
    if begun is not None:
        return FastChoice(begun, None)
    return choose_fastest(slide, predictor, plan)


def _run(
    job: Job,
    stats: RunStats,
    listener: Listener,
    on_predicted: Callable[[], None] | None,
    prepare: Prepare,
) -> dict[str, Any]:
    """Fill the mask, or the rest of an interrupted one, finish it, and return its run file."""
    files = job.files
    chosen = () if job.fast is None else job.fast.warnings
    for warning in (*job.predictor.checkpoint.notes, *job.plan.warnings, *chosen):
        stats.warn(warning)
    if not job.plan.cover.tiles:
        stats.warn("no tissue is found, so nothing is analysed; `tissue=none` analyses all")
    listener.planned(job)
    check_disk(job, stats)
    identity = identify(job)
    journal = Journal(files.journal, identity)
    done = recover_bands(job, journal, stats)
    try:
        with PowerMeter(find_probes(job.predictor.choice.device)) as meter:
            store = _fill(job, journal, stats, done, prepare)
            if on_predicted is not None and job.plan.memory.next_slide:
                on_predicted()
            return finish_mask(job, store, stats, identity, meter)
    except BaseException:
        # What is on the disk can be gone on with; without metadata no program takes it for a mask.
        with suppress(AddressError):
            # Where nothing is reached, what stopped the run is to be told.
            if files.journal.exists() and journal.is_empty:
                files.remove()
        raise


def _fill(
    job: Job, journal: Journal, stats: RunStats, done: list[BandRecord], prepare: Prepare
) -> MaskStore:
    """Fill level 0 of the mask, but for the bands that are done."""
    files = job.files
    # A network that cannot be made ready leaves what stands.
    fill = prepare(job, stats)
    if not done:
        files.remove()
        journal.begin()
    store = open_store(job, fresh=not done)
    for record in done:
        stats.record_resumed(record, store.labels)
    boxes = unfinished_boxes(job.plan.windows, done)
    if done:
        _say_resumed(job, boxes, stats)
    fill(store, journal, boxes)
    stats.warn_of_bad_numbers()
    return store


def _say_resumed(job: Job, left: Sequence[Box], stats: RunStats) -> None:
    todo = len({tile.index for box in left for tile in job.tiles_of(box)})
    total = len(job.plan.cover.tiles)
    were = "was" if total - todo == 1 else "were"
    stats.began(f"resuming: {total - todo} of {plural(total, 'tile')} {were} done before")

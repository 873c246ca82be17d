"""The main job: a slide in, a mask out.

Plan, read, predict, stitch, write, pyramid: the order of the functions below is that in which
pixels pass through them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Unpack

import zarr
from zarr.types import AnyArray

from wsiseg.errors import DamagedSlideError, OutputExistsError, TooManyBadTilesError
from wsiseg.models.checkpoint import Checkpoint, load_checkpoint
from wsiseg.models.runtimes import Predictor, choose_runtime
from wsiseg.segmentation.colouring import check_reference
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.keywords import SegmentKeywords
from wsiseg.segmentation.ledger import Ledger
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Area, make_plan
from wsiseg.segmentation.provenance import describe_run, identify, read_run
from wsiseg.segmentation.recalling import open_store, recall, unfinished
from wsiseg.segmentation.streaming import TileStream
from wsiseg.settings import keywords_from
from wsiseg.store.band_writer import BandWriter
from wsiseg.store.checking import find_damage, find_damaged_layout
from wsiseg.store.disk import Json, write_json, write_whole
from wsiseg.store.images import write_image
from wsiseg.store.journal import BandRecord, Journal, refuse_other_run
from wsiseg.store.locks import hold
from wsiseg.store.masks import MaskStore
from wsiseg.store.outputs import OutputFiles, made_folder
from wsiseg.store.stock import find_lost, take_stock
from wsiseg.throughput.recorder import Stopwatch, rows_to_csv
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides import Slide, as_stored, open_slide


@dataclass(frozen=True)
class SegmentResult:
    """What a run left behind.

    Attributes
    ----------
    mask : Path
        The mask's store.
    summary : dict
        The slide's entry of ``wsiseg segment --json``.
    """

    mask: Path
    summary: dict[str, object]

    @property
    def labels(self) -> AnyArray:
        """Level 0 of the mask: uint8 ``(H, W)``, 255 where nothing was analysed."""
        return zarr.open_array(self.mask / "0", mode="r")


@keywords_from(SegmentOptions)
def segment(
    slide: Slide | Path | str,
    checkpoint: Checkpoint | Path | str | None = None,
    output: Path | str = ".",
    *,
    listener: Listener | None = None,
    **options: Unpack[SegmentKeywords],
) -> SegmentResult:
    """Segment one slide.

    Parameters
    ----------
    slide : Slide or path-like
        An open slide, which stays open, or a file.
    checkpoint : Checkpoint or path-like, optional
        The bundled demonstration checkpoint if left out.
    output : path-like
        Folder for the mask and its companions; made if need be.
    listener : Listener, optional
        Hears how it goes.
    **options
        Fields of :class:`wsiseg.segmentation.options.SegmentOptions`.

    Raises
    ------
    WsisegError
        One of its kinds, see :mod:`wsiseg.errors`; nothing is left that looks like a mask.
    """
    settings = SegmentOptions(**options)
    check_reference(settings.colours)
    with ExitStack() as stack:
        opening = Stopwatch()
        opened = (
            slide
            if isinstance(slide, Slide)
            else stack.enter_context(open_slide(slide, settings.reader))
        )
        if settings.slide_mpp is not None:
            # One number of the user's says that pixels are square.
            opened = as_stored(opened)
        spent = opening.total
        predictor = make_predictor(checkpoint, settings)
        return segment_slide(
            opened, predictor, Path(output), settings, listener or Listener(), spent=spent
        )


def make_predictor(
    checkpoint: Checkpoint | Path | str | None, options: SegmentOptions
) -> Predictor:
    """Return the checkpoint with the runtime that the options ask for."""
    if checkpoint is None:
        from wsiseg.demo import demonstration_checkpoint

        checkpoint = demonstration_checkpoint()
    elif not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    choice = choose_runtime(options.runtime, options.device, options.precision, options.threads)
    return Predictor(checkpoint, choice)


def segment_slide(
    slide: Slide,
    predictor: Predictor,
    folder: Path,
    options: SegmentOptions,
    listener: Listener,
    *,
    area: Area | None = None,
    spent: float = 0.0,
    planned: Callable[[], None] | None = None,
    filled: Callable[[], None] | None = None,
) -> SegmentResult:
    """Segment one open slide with a predictor that can be used again.

    See :func:`segment` for what it raises.

    Parameters
    ----------
    slide : Slide
        Open.
    predictor : Predictor
        The checkpoint and who runs it.
    folder : Path
        Where the mask goes.
    options : SegmentOptions
        What was asked for.
    listener : Listener
        Hears how it goes.
    area : Area, optional
        Where to look, if that has been found out already.
    spent : float
        Seconds that opening the slide and finding its area took.
    planned : callable, optional
        Called once it is known that there is something to do, and what.
    filled : callable, optional
        Makes the next slide ready; called when this one has been read and only writing is left to
        do, if there is memory for both.
    """
    files = OutputFiles(folder, slide.name, options.with_image)
    files.check_name()
    _refuse_slide_as_output(slide, files)
    ledger = Ledger(len(predictor.checkpoint.classes), listener, spent)
    with made_folder(folder), hold(files.lock, ledger.warn):
        _refuse_standing(files, options)
        listener.began("planning: resolution, tissue, memory")
        plan = make_plan(
            slide,
            predictor,
            options,
            area=area,
            followed=filled is not None,
            searched=listener.searched,
        )
        job = Job(slide, predictor, options, plan, files)
        summary = _find_finished(job, ledger)
        if summary is None:
            if planned is not None:
                planned()
            summary = _run(job, ledger, listener, filled)
        return SegmentResult(files.mask, summary)


def _find_finished(job: Job, ledger: Ledger) -> Json | None:
    """Return the summary of a run that is gone on with and has nothing left to do, or None."""
    files = job.files
    if not (job.options.resume and files.run.is_file()):
        return None
    run = read_run(files.run)
    refuse_other_run(run["identity"], identify(job), files.run)
    ledger.began("checking the mask that stands")
    damage = _find_damage(job, dict(run), ledger)
    if damage is not None:
        ledger.warn(f"the finished mask is damaged: {damage}; it is made again")
        return None
    ledger.began("finished before, nothing is left to do")
    # Of a run that was killed between its last two steps.
    files.journal.unlink(missing_ok=True)
    return run["summary"]


def _find_damage(job: Job, run: Json, ledger: Ledger) -> str | None:
    """Return what is wrong with the stores of a finished run, or None."""
    plane, files, classes = job.plan.plane, job.files, job.predictor.checkpoint.classes
    shape = (plane.height, plane.width)
    if job.options.probabilities:
        damage = find_damaged_layout(files.probabilities, (len(classes), *shape), 0)
        if damage is not None:
            return damage
    if job.options.with_image:
        damage = find_damaged_layout(files.store, (3, *shape), 255)
        if damage is not None:
            return damage
    before: Any = run.get("stock", {})
    for name, group in _pyramids(job).items():
        # Earlier versions did not count them.
        damage = find_lost(group, before[name]) if name in before else None
        if damage is not None:
            return damage
    summary: Any = run["summary"]
    counts = [entry["pixels"] for entry in summary["classes"]]
    if len(counts) != len(classes):
        return "its run file tells of other classes"
    return find_damage(files.mask, shape, counts, ledger.continued)


def _pyramids(job: Job) -> dict[str, Path]:
    """Return the groups with levels that a run leaves."""
    files, options = job.files, job.options
    return {
        "mask": files.mask,
        **({"image": files.store} if options.with_image else {}),
        **({"probabilities": files.probabilities} if options.probabilities else {}),
    }


def _run(job: Job, ledger: Ledger, listener: Listener, filled: Callable[[], None] | None) -> Json:
    """Fill the mask and finish it; what stands of an interrupted run is gone on with.

    Returns the run's summary.
    """
    files = job.files
    for warning in job.plan.warnings:
        ledger.warn(warning)
    if not job.plan.tiles:
        ledger.warn("nothing is analysed, as no tissue is found; `tissue=none` looks everywhere")
    listener.planned(job)
    identity = identify(job)
    journal = Journal(files.journal, identity)
    done = recall(job, journal, ledger)
    try:
        store = _fill(job, journal, ledger, done)
        if filled is not None and job.plan.memory.next_slide:
            filled()
        summary = _finish(job, store, ledger, identity)
    except BaseException:
        # What is on the disk can be gone on with; without metadata no program takes it for a mask.
        if files.journal.exists() and journal.is_empty:
            files.remove()
        raise
    listener.finished(summary)
    return summary


def _refuse_slide_as_output(slide: Slide, files: OutputFiles) -> None:
    if slide.path.resolve() in (files.store.resolve(), files.probabilities.resolve()):
        raise OutputExistsError(
            "the mask would take the slide's own place", files.store, "Choose another `output`."
        )


def _refuse_standing(files: OutputFiles, options: SegmentOptions) -> None:
    standing = files.standing
    if standing is None or options.overwrite:
        return
    if not options.resume:
        raise OutputExistsError(
            "the output exists", standing, "Go on with it by `resume` or replace it by `overwrite`."
        )
    if not (files.journal.exists() or files.run.is_file()):
        raise OutputExistsError(
            "the output exists, and is no run to go on with", standing, "Replace it by `overwrite`."
        )


def _fill(job: Job, journal: Journal, ledger: Ledger, done: list[BandRecord]) -> MaskStore:
    """Fill level 0 of the mask, window by window, but for the bands that are done."""
    plan, options, files = job.plan, job.options, job.files
    # A network that cannot be made ready leaves what stands.
    stream = TileStream(job.slide, job.predictor, plan, options)
    ledger.setup_seconds = stream.setup_seconds
    if not done:
        files.remove()
        journal.begin()
    else:
        ledger.began(f"going on after {len(done)} bands of an interrupted run")
    store = open_store(job, fresh=not done)
    for record in done:
        ledger.recall(record, store.labels)
    windows = unfinished(plan.windows, done)
    ledger.expect(sum(len(stream.tiles(window)) for window in windows))
    with BandWriter(store, journal, plan.classes) as writer:
        for window in windows:
            _fill_window(job, window, stream, writer, ledger)
        ledger.filled_at = ledger.watch.total
        writer.wait()
    ledger.note_written(writer.counts)
    ledger.note_bad_numbers()
    return store


def _fill_window(
    job: Job, window: Box, stream: TileStream, writer: BandWriter, ledger: Ledger
) -> None:
    allowed = job.options.bad_tiles_allowed(len(job.plan.tiles))
    for step in stream.steps(window):
        ledger.note(step, window)
        if step.read is not None and step.read.error is not None:
            _judge_bad_tile(job, step.read.error, ledger.unread_tiles, allowed)
        for band in step.bands:
            with ledger.writing(step):
                writer.write(band, ledger.take_rows())


def _judge_bad_tile(job: Job, error: DamagedSlideError, unread: int, allowed: int) -> None:
    """Raise if one more unreadable tile is one too many."""
    if job.options.on_bad_tile == "fail":
        raise error
    if unread > allowed:
        raise TooManyBadTilesError(
            f"{unread} of {len(job.plan.tiles)} tiles cannot be read, {allowed} are allowed; "
            f"the last: {error.what}",
            job.slide.path,
            "Allow more with `max_bad_tiles`.",
        )


def _finish(job: Job, store: MaskStore, ledger: Ledger, identity: Json) -> Json:
    """Build the pyramid, write the metadata, and last of all the companions."""
    slide, plan, files = job.slide, job.plan, job.files
    notes: Json = {
        "slide": slide.path.name,
        "run": files.run.name,
        "slide_scale": plan.plane.slide_scale,
        "stretch": list(slide.facts.stretch),
        "bounds": None if slide.facts.bounds is None else asdict(slide.facts.bounds),
    }
    ledger.began("building the pyramid")
    store.finish(slide.name, job.placement, notes, ledger.continued)
    if job.options.with_image:
        ledger.began("writing the image")
        unread = write_image(
            files.store,
            slide,
            plan.plane,
            job.placement,
            notes,
            continued=ledger.continued,
        )
        if unread:
            ledger.warn(
                f"the image is white in {len(unread)} pieces of the file that cannot be read, "
                f"the first at y={unread[0].y}, x={unread[0].x}"
            )
    write_whole(files.tiles, rows_to_csv(ledger.all_rows))
    run = describe_run(job, ledger, identity)
    run["stock"] = {name: take_stock(group) for name, group in _pyramids(job).items()}
    write_json(files.run, run)
    files.journal.unlink(missing_ok=True)
    summary: Json = run["summary"]  # type: ignore[assignment]
    return summary

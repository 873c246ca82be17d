"""What a run refuses before it writes: the slide itself, an existing output, too full a disk."""

from __future__ import annotations

from wsiseg.errors import OutputError, OutputExistsError
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.store.outputs import OutputFiles
from wsiseg.tiling.slides import Slide


def refuse_slide_as_output(slide: Slide, files: OutputFiles) -> None:
    """Refuse to write where the slide itself lies.

    Parameters
    ----------
    slide : Slide
        What is read.
    files : OutputFiles
        Where the results would go.

    Raises
    ------
    OutputExistsError
        If a store would replace it.
    """
    if slide.path.resolve() in (store.resolve() for store in files.stores):
        raise OutputExistsError(
            "the mask would replace the slide itself", files.store, "Choose another `output`."
        )


def refuse_existing(files: OutputFiles, options: SegmentOptions) -> None:
    """Refuse to write where an output stands, unless it is to be continued or replaced.

    Parameters
    ----------
    files : OutputFiles
        Where the results would go.
    options : SegmentOptions
        `resume` and `overwrite` count.

    Raises
    ------
    OutputExistsError
        If there is one; names both ways.
    """
    existing = files.existing
    if existing is None or options.overwrite:
        return
    if not options.resume:
        raise OutputExistsError(
            "the output already exists; `resume` continues, `overwrite` replaces", existing
        )
    if not (files.journal.exists() or files.run.is_file()):
        raise OutputExistsError(
            "the output already exists, and there is no run to resume",
            existing,
            "`overwrite` replaces it.",
        )


def check_disk(job: Job, stats: RunStats) -> None:
    """Refuse what the disk cannot hold, and warn of what it may not hold.

    Parameters
    ----------
    job : Job
        What is planned.
    stats : RunStats
        Receives the warnings.

    Raises
    ------
    OutputError
        If the output is larger than what is free.
    """
    need = job.disk_need
    if not need.fits:
        extras = ("with_image", "probabilities", "uncertainty")
        wanted = [f"`{name}`" for name in extras if getattr(job.options, name)]
        less = f", or leave out {' and '.join(wanted)}" * bool(wanted)
        raise OutputError(
            f"the disk is too full for the output: {need}",
            job.files.folder,
            f"Free some space there, choose another `output`{less}.",
        )
    for warning in need.warnings:
        stats.warn(warning)

"""Many slides, one after the other; one that fails does not stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Unpack

from wsiseg.errors import ArgumentError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.remote.remote_path import as_place
from wsiseg.segmentation.cohort import Cohort, refuse_same_names
from wsiseg.segmentation.colouring import check_reference
from wsiseg.segmentation.executing import OneByOne
from wsiseg.segmentation.keywords import SegmentKeywords
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.slide_jobs import Execution, SlideJob
from wsiseg.segmentation.slide_lists import ListedSlide, check_names, common_options
from wsiseg.settings import keywords_from
from wsiseg.store.disk import Json
from wsiseg.store.outputs import output_folder
from wsiseg.tiling.slides import find_slides


@keywords_from(SegmentOptions)
def segment_batch(
    slides: Path | str | ListedSlide | Iterable[Path | str | ListedSlide],
    checkpoint: Checkpoint | Path | str | None = None,
    output: Path | str = ".",
    *,
    listener: Listener | None = None,
    execution: Execution | None = None,
    recursive: bool = False,
    retry_failed: bool = False,
    fail_fast: bool = False,
    **options: Unpack[SegmentKeywords],
) -> Iterator[Json]:
    """Segment many slides into one folder; one that fails does not stop the others.

    Parameters
    ----------
    slides : path-like or ListedSlide, or iterable of them
        Slides, folders of slides, patterns like ``scans/*.svs``, and slides with settings of their
        own, as :func:`wsiseg.read_slide_list` returns them.
    checkpoint : Checkpoint or path-like, optional
        As :func:`wsiseg.segment` takes it.
    output : path-like
        Folder for the masks and ``batch.json``; made if need be.
    listener : Listener, optional
        Receives the events of the run.
    execution : Execution, optional
        What runs the slides; this process, one after the other, if left out.
    recursive : bool
        Look into the folders in a folder, too.
    retry_failed, fail_fast : bool
        As :func:`run_cohort` takes them.
    **options
        Fields of :class:`wsiseg.segmentation.options.SegmentOptions`, for all slides.

    Yields
    ------
    dict
        As :func:`run_cohort`.

    Raises
    ------
    WsisegError
        As :func:`run_cohort`, or if there is no slide.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> import wsiseg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.png", "b.png"):
    ...         Image.fromarray(np.full((96, 128, 3), 220, np.uint8)).save(Path(folder, name))
    ...     settings = {"level": 0, "tissue": "none", "tile": 128, "runtime": "torch"}
    ...     for entry in wsiseg.segment_batch(folder, output=Path(folder, "out"), **settings):
    ...         print(Path(entry["slide"]).name, entry["status"])
    a.png ok
    b.png ok
    """
    folder = Path(output)
    given = [slides] if isinstance(slides, Path | str | ListedSlide) else list(slides)
    settings, override = common_options(options, given)
    hears = listener or Listener()
    found = gather_slides(given, recursive=recursive, output=folder, noted=lambda _: None)
    jobs = make_jobs(found, checkpoint, folder, settings, override_listed=override)
    runs = execution or OneByOne(hears)
    yield from run_cohort(jobs, runs, hears, retry_failed=retry_failed, fail_fast=fail_fast)


def gather_slides(
    given: Sequence[Path | str | ListedSlide],
    *,
    recursive: bool,
    output: Path,
    noted: Callable[[str], None],
) -> list[Path | ListedSlide]:
    """Return the slides that files, folders, patterns and lists stand for, listed ones last.

    Parameters
    ----------
    given : sequence of path-like or ListedSlide
        What the user named.
    recursive : bool
        Look into the folders in a folder, too.
    output : Path
        Folder for the masks, in which no slides are looked for.
    noted : callable
        Called with a sentence on what was passed over.

    Raises
    ------
    ArgumentError
        If nothing is given.
    SlideError
        As :func:`wsiseg.find_slides`.
    """
    if not given:
        raise ArgumentError("no slide is named", None, "Name files, folders or a list.")
    paths = [Path(each) for each in given if not isinstance(each, ListedSlide)]
    found = find_slides(paths, recursive=recursive, exclude=[output])
    for note in found.notes:
        noted(note)
    return [*found.slides, *(each for each in given if isinstance(each, ListedSlide))]


def make_jobs(
    slides: Sequence[Path | ListedSlide],
    checkpoint: Checkpoint | Path | str | None,
    folder: Path,
    options: SegmentOptions,
    *,
    override_listed: bool = False,
) -> list[SlideJob]:
    """Return the jobs of slides.

    Parameters
    ----------
    slides : sequence of Path or ListedSlide
        Files, folders or URLs that are one slide each.
    checkpoint : Checkpoint or path-like or None
        As :func:`wsiseg.segment` takes it, for slides that have none of their own.
    folder : Path
        Folder for the masks.
    options : SegmentOptions
        Settings for all slides, as far as they have none of their own.
    override_listed : bool
        Let a slide's own `slide_mpp` overrule what its file states.

    Raises
    ------
    ArgumentError
        If a slide's own settings are invalid, or two would write the same files.
    """
    listed = [each if isinstance(each, ListedSlide) else ListedSlide(each) for each in slides]
    check_names(listed)
    return [
        SlideJob(
            Path(each.slide),
            checkpoint if each.checkpoint is None else each.checkpoint,
            each.options(options, override_mpp=override_listed),
            folder,
            each.name,
            number,
            len(listed),
        )
        for number, each in enumerate(listed, 1)
    ]


def run_cohort(
    jobs: Sequence[SlideJob],
    execution: Execution,
    listener: Listener,
    *,
    retry_failed: bool = False,
    fail_fast: bool = False,
) -> Iterator[Json]:
    """Run jobs into one folder, and record what becomes of them in ``batch.json``.

    Parameters
    ----------
    jobs : sequence of SlideJob
        At least one; their names have to differ.
    execution : Execution
        What runs them.
    listener : Listener
        Receives the events of the run.
    retry_failed : bool
        Run only those of which the record says that they failed or were interrupted, going on
        where they stopped; the others are passed by.
    fail_fast : bool
        End after the first slide that fails.

    Yields
    ------
    dict
        One entry per slide as in ``wsiseg segment --json``, with its `status`, in the order in
        which they end.  A slide that is interrupted gets its entry, too, before KeyboardInterrupt
        is raised again.

    Raises
    ------
    ArgumentError
        If two slides would have the same output, or the options are wrong for every slide.
    StainError, SlideError
        If the reference for stains cannot be used.
    CheckpointError, RuntimeUnavailableError
        If the one checkpoint of all slides cannot be used.
    OutputError
        If the folder cannot be written to.
    """
    folder = as_place(jobs[0].folder)
    for options in {id(job.options): job.options for job in jobs}.values():
        check_reference(options.colours)
    with output_folder(folder):
        refuse_same_names(jobs, folder)
        cohort = Cohort(jobs, folder, listener, retry_failed=retry_failed)
        yield from cohort.run(execution, fail_fast=fail_fast)

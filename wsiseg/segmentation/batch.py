"""Many slides, one after the other; one that fails does not stop the rest."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from wsiseg.errors import ArgumentError, OutputError, OutputExistsError, WsisegError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.colouring import check_reference
from wsiseg.segmentation.keywords import SegmentKeywords
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.prefetching import SlidePrefetcher
from wsiseg.segmentation.segmenting import make_predictor, segment_slide
from wsiseg.segmentation.target import choose_plane, find_area
from wsiseg.settings import keywords_from
from wsiseg.store.disk import Json
from wsiseg.store.manifest import Manifest
from wsiseg.store.outputs import OutputFiles, is_case_insensitive, output_folder
from wsiseg.tiling.slides import Slide, find_slides, slide_name, url_or_path
from wsiseg.tiling.tissue import ProgressCallback, TissueMask


@keywords_from(SegmentOptions)
def segment_batch(
    slides: Path | str | Iterable[Path | str],
    checkpoint: Checkpoint | Path | str | None = None,
    output: Path | str = ".",
    *,
    listener: Listener | None = None,
    **options: Unpack[SegmentKeywords],
) -> Iterator[Json]:
    """Segment many slides into one folder; one that fails does not stop the others.

    Parameters
    ----------
    slides : path-like or iterable of path-like
        Slides, or folders of slides.
    checkpoint : Checkpoint or path-like, optional
        As :func:`wsiseg.segment` takes it.
    output : path-like
        Folder for the masks and ``batch.json``; made if need be.
    listener : Listener, optional
        Receives the events of the run.
    **options
        Fields of :class:`wsiseg.segmentation.options.SegmentOptions`, for all slides.

    Yields
    ------
    dict
        As :func:`segment_slides`.

    Raises
    ------
    WsisegError
        As :func:`segment_slides`, or if there is no slide, or the checkpoint cannot be used.

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
    settings, folder = SegmentOptions(**options), Path(output)
    given = [slides] if isinstance(slides, Path | str) else slides
    found = find_slides([Path(path) for path in given], exclude=[folder])
    hears = listener or Listener()
    predictor = make_predictor(checkpoint, settings, hears.began)
    yield from segment_slides(found.slides, predictor, folder, settings, hears)


def segment_slides(
    slides: Sequence[Path],
    predictor: Predictor,
    folder: Path,
    options: SegmentOptions,
    listener: Listener,
) -> Iterator[Json]:
    """Segment slides with one predictor, and write ``batch.json``.

    Parameters
    ----------
    slides : sequence of Path
        Their names without ending have to differ.
    predictor : Predictor
        Used for all of them.
    folder : Path
        Folder for the masks.
    options : SegmentOptions
        Settings for all slides.
    listener : Listener
        Receives the events of the run.

    Yields
    ------
    dict
        One entry per slide as in ``wsiseg segment --json``, with its `status`.  A slide that is
        interrupted gets its entry, too, before KeyboardInterrupt is raised again.

    Raises
    ------
    ArgumentError
        If two slides would have the same output, or the options are wrong for every slide.
    StainError, SlideError
        If the reference for stains cannot be used.
    OutputError
        If the folder cannot be written to.
    """
    check_reference(options.colours)
    with output_folder(folder):
        _refuse_same_names(slides, folder)
        batch = _Batch(slides, predictor, folder, options, listener)
        with batch.ahead:
            yield from batch.run()


class _Batch:
    """The slides of one call."""

    def __init__(
        self,
        slides: Sequence[Path],
        predictor: Predictor,
        folder: Path,
        options: SegmentOptions,
        listener: Listener,
    ) -> None:
        self._slides, self._predictor = slides, predictor
        self._folder, self._options, self._listener = folder, options, listener
        self._manifest = Manifest(folder, listener.warned)
        self._manifest.check()
        self._refused = self._find_long_names()
        self._planned = False
        self._wrong: list[tuple[Json, ArgumentError]] = []
        self.ahead = SlidePrefetcher(
            [path for path in slides if path not in self._refused],
            options.open_slide,
            partial(_find_area, checkpoint=predictor.checkpoint, options=options),
        )

    def _find_long_names(self) -> dict[Path, OutputError]:
        """Return the slides whose names are too long for the output files, with their errors."""
        refused = {}
        for path in self._slides:
            try:
                OutputFiles(self._folder, slide_name(path)).check_name()
            except OutputError as error:
                refused[path] = error
                self._listener.failed(path, error)
        return refused

    def run(self) -> Iterator[Json]:
        """Yield an entry per slide."""
        for path in self._slides:
            entry: Json | None = None
            try:
                error: Exception | None = self._refused.get(path)
                if error is None:
                    try:
                        entry = self._segment()
                    # Whatever one slide stumbles over, the others go on.
                    except Exception as reason:
                        error = reason
                        if not (isinstance(error, ArgumentError) and len(self._slides) == 1):
                            self._listener.failed(path, error)
                entry = entry or failed_entry(path, self._predictor, _describe(error))
                self._keep(entry, error)
            except KeyboardInterrupt:
                # Also while its entry was being written.
                entry = entry or interrupted_entry(path, self._predictor, self._folder)
                self._manifest.record(entry)
                yield entry
                raise
            if len(self._wrong) < len(self._slides):
                yield entry
        self._settle_wrong_usage()

    def _segment(self) -> Json:
        def planned() -> None:
            self._planned = True

        self._planned = False
        with self.ahead.next() as ready:
            return segment_slide(
                ready.slide,
                self._predictor,
                self._folder,
                self._options,
                self._listener,
                tissue=ready.tissue,
                elapsed=ready.seconds,
                on_planned=planned,
                on_predicted=None if self.ahead.is_last else self.ahead.prefetch_next,
            ).summary

    def _keep(self, entry: Json, error: Exception | None) -> None:
        """Record an entry, unless the only slide was refused before anything was done."""
        if isinstance(error, ArgumentError):
            self._wrong.append((entry, error))
            return
        # What was refused because of an earlier run leaves that run's entry alone.
        exists = isinstance(error, OutputExistsError)
        refused = isinstance(error, WsisegError) and not self._planned
        if refused and len(self._slides) == 1 and (exists or not any(self._folder.iterdir())):
            return
        self._manifest.record(entry, replace=not exists)

    def _settle_wrong_usage(self) -> None:
        """Raise what makes no sense for any slide; what does for some is the others' failure."""
        if self._wrong and len(self._wrong) == len(self._slides):
            raise self._wrong[0][1]
        for entry, _ in self._wrong:
            self._manifest.record(entry)


def _refuse_same_names(slides: Sequence[Path], folder: Path) -> None:
    folded = is_case_insensitive(folder)
    first: dict[str, Path] = {}
    for slide in slides:
        name = slide_name(slide)
        key = unicodedata.normalize("NFC", name).casefold() if folded else name
        if key in first:
            raise ArgumentError(
                f"two slides are called {name!r} and would write the same files",
                f"{url_or_path(first[key])} and {url_or_path(slide)}",
                "Segment them into different folders.",
            )
        first[key] = slide


def _describe(error: Exception | None) -> str:
    if isinstance(error, WsisegError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}"


def _find_area(
    slide: Slide, searched: ProgressCallback, checkpoint: Checkpoint, options: SegmentOptions
) -> TissueMask | None:
    return find_area(slide, choose_plane(slide, checkpoint, options), options, searched)


def interrupted_entry(path: Path, predictor: Predictor, folder: Path) -> Json:
    """Return the entry of a slide that was interrupted, with a hint if it can be resumed.

    Parameters
    ----------
    path : Path
        The slide.
    predictor : Predictor
        Its runtime, precision and device are named.
    folder : Path
        Folder of the masks, in which a journal may stand.

    Returns
    -------
    dict
        As :func:`failed_entry`.
    """
    begun = OutputFiles(folder, slide_name(path)).journal.exists()
    hint = " Continue with `resume`." if begun else ""
    return failed_entry(path, predictor, f"interrupted.{hint}", status="interrupted")


def failed_entry(path: Path, predictor: Predictor, error: str, *, status: str = "failed") -> Json:
    """Return the entry of a slide that is not done: the keys of a finished one, without figures.

    Parameters
    ----------
    path : Path
        The slide.
    predictor : Predictor
        Its runtime, precision and device are named.
    error : str
        What went wrong, where, and what to do.
    status : {"failed", "interrupted"}
        What became of the slide.

    Returns
    -------
    dict
        Ready for JSON.
    """
    choice = predictor.choice
    return {
        "slide": url_or_path(path),
        "status": status,
        "mask": None,
        "seconds": None,
        "forward_seconds": None,
        "megapixels": None,
        "computed_megapixels": None,
        "mpx_per_s": None,
        "tiles": None,
        "tiles_per_s": None,
        "unread_tiles": None,
        "pixels_without_numbers": None,
        "power_w": None,
        "joules_per_mpx": None,
        "peak_rss_mb": None,
        "memory_mb": None,
        "runtime": choice.runtime,
        "precision": choice.precision,
        "label_agreement": None,
        "device": choice.device,
        "bottleneck": None,
        "classes": [],
        "warnings": [],
        "error": error,
    }

"""Many slides, one after the other; one that fails does not stop the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from wsiseg.errors import ArgumentError, OutputExistsError, WsisegError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.colouring import check_reference
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Area, choose_plane, find_area
from wsiseg.segmentation.segmenting import segment_slide
from wsiseg.segmentation.slides_ahead import SlidesAhead
from wsiseg.store.disk import Json, write_json
from wsiseg.store.outputs import OutputFiles
from wsiseg.tiling.slides import Slide, address, open_slide, slide_name

MANIFEST = "batch.json"


def segment_batch(
    slides: Sequence[Path],
    predictor: Predictor,
    folder: Path,
    options: SegmentOptions,
    listener: Listener,
) -> Iterator[Json]:
    """Segment slides into one folder and write ``batch.json``.

    Parameters
    ----------
    slides : sequence of Path
        Their names without ending have to differ.
    predictor : Predictor
        Used for all of them.
    folder : Path
        Where masks go.
    options : SegmentOptions
        For all of them.
    listener : Listener
        Hears how it goes.

    Yields
    ------
    dict
        One entry per slide as in ``wsiseg segment --json``; `status` says which failed.

    Raises
    ------
    ArgumentError
        If two slides would have the same output.
    StainError, SlideError
        If the reference for stains cannot be used.
    OutputError
        If the folder cannot be written to.
    """
    check_reference(options.colours)
    OutputFiles(folder, "").check()
    twice = [
        name for name, times in Counter(slide_name(slide) for slide in slides).items() if times > 1
    ]
    if twice:
        raise ArgumentError(
            f"two slides are called {twice[0]!r} and would write the same files",
            None,
            "Segment them into different folders.",
        )
    entries: list[Json] = []
    # What was refused because of an earlier run leaves that run's record alone.
    news = False
    opening = partial(open_slide, reader=options.reader, square=options.slide_mpp is None)
    looking = partial(_find_area, checkpoint=predictor.checkpoint, options=options)
    with SlidesAhead(slides, opening, looking) as ahead:
        for path in slides:
            try:
                with ahead.next() as ready:
                    entry = segment_slide(
                        ready.slide,
                        predictor,
                        folder,
                        options,
                        listener,
                        area=ready.area,
                        spent=ready.seconds,
                        filled=None if ahead.is_last else ahead.begin_next,
                    ).summary
            except ArgumentError:
                # Wrong usage is wrong for all of them.
                raise
            except WsisegError as error:
                listener.failed(path, error)
                entry = failed_entry(path, predictor, str(error))
                news |= not isinstance(error, OutputExistsError)
            except KeyboardInterrupt:
                entries.append(failed_entry(path, predictor, "interrupted. Go on with `resume`."))
                _keep(entries, folder)
                raise
            else:
                news = True
            entries.append(entry)
            if news:
                _keep(entries, folder)
            yield entry


def _keep(entries: list[Json], folder: Path) -> None:
    OutputFiles(folder, "").prepare()
    write_json(folder / MANIFEST, {"slides": entries})


def _find_area(slide: Slide, checkpoint: Checkpoint, options: SegmentOptions) -> Area | None:
    return find_area(slide, choose_plane(slide, checkpoint, options), options)


def failed_entry(path: Path, predictor: Predictor, error: str) -> Json:
    """Return the entry of a slide that failed: the same keys, without figures."""
    choice = predictor.choice
    return {
        "slide": address(path),
        "status": "failed",
        "mask": None,
        "seconds": None,
        "forward_seconds": None,
        "megapixels": None,
        "mpx_per_s": None,
        "tiles": None,
        "tiles_per_s": None,
        "unread_tiles": None,
        "pixels_without_numbers": None,
        "peak_rss_mb": None,
        "runtime": choice.runtime,
        "precision": choice.precision,
        "device": choice.device,
        "bottleneck": None,
        "classes": [],
        "warnings": [],
        "error": error,
    }

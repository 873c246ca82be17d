"""Where the pixels under a mask come from: the image in its store, or the slide itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import zarr

from wsiseg.error_translation import translate_errors
from wsiseg.errors import SlideError, WsisegError
from wsiseg.remote.addresses import is_remote
from wsiseg.report.runs import Run
from wsiseg.store.arrays import open_array
from wsiseg.store.label_images import StoredValues
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import FaultTolerantSlide, Slide, open_slide, with_stored_pixels
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.square_pixels import SquarePixelSlide

MISSING = (
    "the slide's pixels are left out: the slide is not where it was; name its folder with `slides`"
)
"""What is noted of a slide that is not where it was."""

_STRIP = 128
"""Rows of a picture that are read at a time."""


class PixelSource(Protocol):
    """Gives pixels of a run's working plane."""

    def read(self, box: Box) -> Pixels:
        """Return uint8 ``(box.height, box.width, 3)``, RGB, of a box in working pixels."""

    def reduced(self, halvings: int, factor: int) -> Iterator[Pixels]:
        """Yield the whole plane reduced, rows from the top on.

        Parameters
        ----------
        halvings : int
            By how many levels of a pyramid.
        factor : int
            By how much more.
        """


class StoredImage:
    """The image around a mask, which ``--with-image`` wrote.

    Parameters
    ----------
    store : Path
        The store.
    """

    def __init__(self, store: Path) -> None:
        self._store = store

    def read(self, box: Box) -> Pixels:
        """See :class:`PixelSource`."""
        return self._read(0, box)

    def reduced(self, halvings: int, factor: int) -> Iterator[Pixels]:
        """Yield the plane from the top on; see :class:`PixelSource`."""
        height, width = self._array(halvings).shape[-2:]
        rows = factor * _STRIP
        for top in range(0, height, rows):
            box = Box(top, 0, min(rows, height - top), width)
            yield shrink(self._read(halvings, box), factor)

    def _array(self, level: int) -> zarr.Array[Any]:
        with translate_errors(
            lambda why: SlideError(f"the image cannot be read: {why}", self._store)
        ):
            return open_array(self._store / str(level))

    def _read(self, level: int, box: Box) -> Pixels:
        array, place = self._array(level), (slice(box.y, box.bottom), slice(box.x, box.right))
        channels = [StoredValues(array, self._store, (each,))[place] for each in range(3)]
        return np.stack(channels, axis=-1).astype(np.uint8, copy=False)


class SlideFile:
    """The slide that a run read.

    Parameters
    ----------
    slide : Slide
        Open.
    plane : WorkingPlane
        The run's.
    """

    def __init__(self, slide: Slide, plane: WorkingPlane) -> None:
        stored = with_stored_pixels(slide)
        patched = FaultTolerantSlide(stored)
        self._slide = patched if stored is slide else SquarePixelSlide(patched)
        self._plane = plane

    def read(self, box: Box) -> Pixels:
        """See :class:`PixelSource`."""
        return read_working_box(self._slide, self._plane, box)

    def reduced(self, halvings: int, factor: int) -> Iterator[Pixels]:
        """Yield the plane from the top on; see :class:`PixelSource`."""
        times = 2**halvings * factor
        scale = self._plane.slide_scale * times
        finer = [i for i, each in enumerate(self._slide.levels) if each.downsample <= scale * 1.001]
        level = max(finer, key=lambda i: self._slide.levels[i].downsample, default=0)
        height, width = -(-self._plane.height // times), -(-self._plane.width // times)
        downsample = self._slide.levels[level].downsample
        plane = WorkingPlane(height, width, level, scale / downsample, scale, None)
        for top in range(0, height, _STRIP):
            box = Box(top, 0, min(_STRIP, height - top), width)
            yield read_working_box(self._slide, plane, box)


def shrink(values: Pixels, factor: int) -> Pixels:
    """Return the mean of each square of so many pixels; those at the far edges may be cut.

    Parameters
    ----------
    values : ndarray
        uint8 ``(h, w[, channels])``.
    factor : int
        Pixels along an edge.

    Examples
    --------
    >>> shrink(np.array([[0, 2, 9], [2, 4, 9]], np.uint8), 2).tolist()
    [[2, 9]]
    """
    if factor == 1:
        return values
    rows, columns = (
        np.minimum(np.arange(factor, side + factor, factor), side) - np.arange(0, side, factor)
        for side in values.shape[:2]
    )
    counts = np.multiply.outer(rows, columns).astype(np.uint32)
    counts = counts.reshape(counts.shape + (1,) * (values.ndim - 2))
    return ((block_sums(values, factor) + counts // 2) // counts).astype(np.uint8)


def block_sums(values: Pixels, edge: int) -> npt.NDArray[np.uint32]:
    """Return the sum of each square of so many pixels; those at the far edges may be cut.

    Parameters
    ----------
    values : ndarray
        uint8 ``(h, w[, channels])``.
    edge : int
        Pixels along one, 4096 at most.

    Examples
    --------
    >>> block_sums(np.array([[1, 2, 9], [2, 4, 9]], np.uint8), 2).tolist()
    [[9, 18]]
    """
    height, width, *channels = values.shape
    missing = [(0, -height % edge), (0, -width % edge), *[(0, 0)] * len(channels)]
    padded = np.pad(values, missing)
    rows = padded.reshape(-1, edge, *padded.shape[1:]).sum(axis=1, dtype=np.uint32)
    return np.asarray(rows.reshape(len(rows), -1, edge, *channels).sum(axis=2, dtype=np.uint32))


@contextmanager
def open_source(
    run: Run, slides: Path | None, note: Callable[[str], None]
) -> Iterator[PixelSource | None]:
    """Open what gives the pixels of a run, as a context manager.

    Parameters
    ----------
    run : Run
        A finished one.
    slides : Path or None
        A folder in which slides are looked for, too.
    note : callable
        Called with a sentence if nothing gives them.

    Yields
    ------
    PixelSource or None
        None if the slide is not at hand.
    """
    if run.files.with_image:
        yield StoredImage(run.files.store)
        return
    place = _find(run, slides)
    if place is None:
        note(MISSING)
        yield None
        return
    with ExitStack() as stack:
        source: PixelSource | None = None
        try:
            slide = stack.enter_context(_open(run, place))
            if _is_other(slide.fingerprint(), run.identity.get("slide")):
                raise SlideError("the slide has changed since the run read it", slide.path)
            with translate_errors(
                lambda why: SlideError(f"the run file's plane is invalid: {why}", slide.path)
            ):
                plane = WorkingPlane(**run.identity["plane"])
            source = SlideFile(slide, plane)
        except WsisegError as error:
            note(f"the slide's pixels are left out: {error}")
        yield source


def _find(run: Run, slides: Path | None) -> Path | None:
    """Return where the slide of a run is: where it was, or where it may have gone; else None."""
    stated = Path(run.slide)
    given = [] if slides is None else [slides / stated.name]
    beside = [run.files.folder / stated, run.files.folder / stated.name]
    places = [*given, stated] if is_remote(stated) else [*given, stated, *beside]
    return next((path for path in places if is_remote(path) or path.exists()), None)


def _open(run: Run, place: Path) -> Slide:
    settings = run.part("settings")
    # Runs of earlier versions overruled the file without being told to.
    return open_slide(
        place, settings.get("reader"), slide_mpp=settings.get("slide_mpp"), override_mpp=True
    )


def _is_other(found: Mapping[str, object], wanted: object) -> bool:
    """Tell whether a slide has another fingerprint; earlier versions noted less of it."""
    known = wanted if isinstance(wanted, dict) else {}
    return any(found.get(key) != value for key, value in known.items() if key in found)

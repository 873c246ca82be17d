"""Finding tissue on an overview of a slide."""

from __future__ import annotations

import importlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.blocks import BlockGrid
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.slide import Slide

Mask = npt.NDArray[np.bool_]

ProgressCallback = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""


def no_progress(_: float) -> None:
    """Do nothing with the progress."""


OVERVIEW_EDGE = 2048
"""The overview's longer side in pixels, at most."""

READING_THREADS = 4
"""Default number of reading threads."""

_FINE_ENOUGH = 1024

_READ_EDGE = 2048

READING_BYTES = 10 * _READ_EDGE**2
"""Memory of a reading thread: pixels, Pillow's copy of them, and the reduced ones."""

_FAINTEST = 0.015
_PALEST = 0.04
_GLASS = 200
_CLOSING_SHARE = 0.01
_SPECK_SHARE = 2e-5


@dataclass(frozen=True)
class TissueMask:
    """A mask of tissue over a whole plane, at any resolution.

    Attributes
    ----------
    mask : ndarray
        bool ``(h, w)``; True where tissue may be.
    plane : tuple of int
        ``(height, width)`` of the plane that it covers, in working pixels.
    notes : tuple of str
        Warnings about the slide that it was found on.
    """

    mask: Mask
    plane: tuple[int, int]
    notes: tuple[str, ...] = ()

    def blocks_in(self, grid: BlockGrid) -> Mask:
        """Tell in which blocks of the plane any tissue lies.

        Parameters
        ----------
        grid : BlockGrid
            Over the plane.

        Returns
        -------
        ndarray
            bool ``(rows, columns)``.
        """
        found = self.mask.astype(np.int64)
        for axis in (0, 1):
            edges = grid.edges(axis) * self.mask.shape[axis]
            first, last = edges[:-1] // self.plane[axis], -(-edges[1:] // self.plane[axis])
            sums = np.cumsum(np.insert(found, 0, 0, axis), axis)
            found = np.take(sums, last, axis) - np.take(sums, first, axis)
        return np.asarray(found > 0)

    @property
    def pixels(self) -> int:
        """Pixels of the plane that are tissue."""
        return round(self.share * self.plane[0] * self.plane[1])

    @property
    def share(self) -> float:
        """Share of the plane that is tissue."""
        return float(self.mask.mean())


def find_tissue(
    slide: Slide,
    plane: WorkingPlane,
    threads: int = READING_THREADS,
    progress: ProgressCallback = no_progress,
    *,
    overview: tuple[Pixels, Mask] | None = None,
) -> TissueMask:
    """Find tissue, rather too much than too little.

    Optical density against the glass, smoothed, is compared with Otsu's threshold, which is
    capped so that pale tissue and fat still count.  Gaps are closed and holes filled, as fat and
    lumina belong to the tissue around them; specks are dropped.

    Parameters
    ----------
    slide : Slide
        Open.
    plane : WorkingPlane
        The plane that the mask shall cover.
    threads : int
        Reading threads; the result does not depend on it.
    progress : callable
        Called with the share of the slide that has been read; raising ends the search.
    overview : tuple of ndarray, optional
        What :func:`read_overview` returned, where it has been called already.

    Returns
    -------
    TissueMask
        True as well where the overview could not be decoded.
    """
    pixels, unread = overview or read_overview(slide, threads, progress)
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    edge = max(pixels.shape)
    sharp = _optical_density(pixels)
    density = ndimage.gaussian_filter(sharp, 1.5)
    otsu = _FAINTEST
    if np.ptp(density) > _FAINTEST:
        otsu = float(threshold_otsu(density))  # type: ignore[no-untyped-call]
    least = np.clip(otsu / 2, _FAINTEST, _PALEST)
    # Smoothing finds pale tissue in noise, but spreads it over the glass beside it.
    found = (density > least) & (sharp > least)
    radius = max(1, round(edge * _CLOSING_SHARE))
    found = _close(found, radius)
    found = ndimage.binary_fill_holes(found)
    found = _drop_specks(found, min(found.size, max(4, round(found.size * _SPECK_SHARE))))
    return TissueMask(found | unread, (plane.height, plane.width))


def import_ahead() -> None:
    """Begin to import what :func:`find_tissue` computes with, while the overview is read.

    That takes a quarter of a second, in which decoding leaves Python idle.
    """
    names = ("scipy.ndimage", "skimage.filters")
    threading.Thread(target=lambda: [importlib.import_module(each) for each in names]).start()


def read_overview(
    slide: Slide, threads: int = READING_THREADS, progress: ProgressCallback = no_progress
) -> tuple[Pixels, Mask]:
    """Read the whole slide downsampled, from the coarsest level that is large enough.

    Parameters
    ----------
    slide : Slide
        Open.
    threads : int
        Reading threads.
    progress : callable
        Called by the calling thread with the share that has been read; raising ends it.

    Returns
    -------
    overview : ndarray
        uint8 ``(h, w, 3)``, RGB, at most :data:`OVERVIEW_EDGE` pixels a side.
    unread : ndarray
        bool ``(h, w)``; True where the file could not be decoded.
    """
    edges = [max(level.height, level.width) for level in slide.levels]
    index = max((i for i, edge in enumerate(edges) if edge >= _FINE_ENOUGH), default=0)
    level = slide.levels[index]
    factor = max(edges[index] // _FINE_ENOUGH, -(-edges[index] // OVERVIEW_EDGE), 1)
    shape = -(-level.height // factor), -(-level.width // factor)
    overview = np.empty((*shape, 3), np.uint8)
    unread = np.zeros(shape, bool)
    whole = Box(0, 0, *shape)

    def read(part: Box) -> Box:
        place = part.slices_in(whole)
        source = Box(*(v * factor for v in (part.y, part.x, part.height, part.width)))
        source = source.intersection(level.box)
        try:
            overview[place] = _reduce(slide.read_region(index, source), factor)
        except DamagedSlideError:
            # The tile that covers it will be tried, counted and reported by the main pass.
            overview[place] = slide.facts.background
            unread[place] = True
        return part

    # Read in parts, so that memory per thread is bounded however large the reduction is.
    step = max(1, _READ_EDGE // factor)
    parts = (
        Box(y, x, step, step).intersection(whole)
        for y in range(0, shape[0], step)
        for x in range(0, shape[1], step)
    )
    done = 0
    for part in _in_threads(read, parts, threads):
        done += part.area
        progress(done / whole.area)
    return overview, unread


def _in_threads(work: Callable[[Box], Box], parts: Iterator[Box], threads: int) -> Iterator[Box]:
    """Yield the results in the order of the parts, with at most `threads` under way."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="wsiseg-look")
    try:
        waiting = deque(pool.submit(work, part) for part in itertools.islice(parts, threads))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, part) for part in itertools.islice(parts, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _reduce(pixels: Pixels, factor: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).reduce(factor)) if factor > 1 else pixels


def _optical_density(overview: Pixels) -> npt.NDArray[np.float32]:
    """Return how much light is missing, the worst channel counting, against the slide's glass."""
    darkest = np.minimum(np.minimum(overview[..., 0], overview[..., 1]), overview[..., 2])
    bright = overview[darkest > _GLASS]
    # Pale tissue may be most of what is bright; glass is the brightest of it.
    glass = np.percentile(bright, 90, axis=0) if len(bright) else np.full(3, 255.0)
    worst = np.zeros(overview.shape[:2], np.float32)
    for channel in range(3):
        # One logarithm per grey value, not per pixel.
        table = -np.log10((np.arange(256) + 1) / (glass[channel] + 1)).astype(np.float32)
        np.maximum(worst, table[overview[..., channel]], out=worst)
    return worst


def _close(mask: Mask, radius: int) -> Mask:
    """Close gaps up to twice the radius."""
    from scipy import ndimage

    size = 2 * radius + 1
    padded = np.pad(mask, radius).view(np.uint8)
    closed = ndimage.minimum_filter(ndimage.maximum_filter(padded, size), size)
    inner = slice(radius, -radius)
    return np.asarray(closed[inner, inner].astype(bool) | mask)


def _drop_specks(mask: Mask, smallest: int) -> Mask:
    from scipy import ndimage

    parts, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    large = np.bincount(parts.ravel()) >= smallest
    large[0] = False
    return np.asarray(large[parts])

"""Resampling slides whose pixels are not square to square pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.pixel_size import PixelSize
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.slide import Slide, SlideFacts
from wsiseg.tiling.slides.wrapped import WrappedSlide

_MOST = 4
"""Times that a side may be as long as the other; more is a broken field, which is not believed."""

_WEIGHT = 256
"""Weights are counted in parts of this, so that two pixels times theirs fit into 16 bits."""

_ROWS = 32
"""Rows that are computed at a time, so that their values stay in the CPU's cache."""

Whole = npt.NDArray[np.int64]
Weights = npt.NDArray[np.uint16]


def with_square_pixels(slide: Slide) -> Slide:
    """Return the slide resampled to square pixels; itself if its pixels are square or unknown."""
    size = slide.facts.pixel_size
    if size is None or not size.is_sane or size.is_square:
        return slide
    sides = sorted((size.height, size.width))
    return SquarePixelSlide(slide) if sides[1] <= _MOST * sides[0] else slide


def with_stored_pixels(slide: Slide) -> Slide:
    """Return a slide with the pixels as its file stores them, square or not."""
    return slide.slide if isinstance(slide, SquarePixelSlide) else slide


class SquarePixelSlide(WrappedSlide):
    """A slide in square pixels, of the length of the shorter side of the file's pixels.

    Every level is stretched along the other axis by linear interpolation.  A pixel is made of the
    two whose centres are nearest to its own, so its value depends on its position alone, and
    nothing from outside of what was scanned is mixed in.

    Parameters
    ----------
    slide : Slide
        Open.
    """

    def __init__(self, slide: Slide) -> None:
        super().__init__(slide)
        self.facts = _square(slide.facts)
        self._axis = 0 if self.facts.stretch[0] > 1 else 1

    def _read(self, level: int, box: Box) -> Pixels:
        first, second, share = self._neighbours(level, box)
        pixels = self.slide.read_region(level, self._reach(box, first, second))
        return _mix(pixels, first - first[0], second - first[0], share, self._axis)

    def reductions(self, level: int) -> tuple[int, ...]:
        """Return nothing: what would be read reduced has another shape."""
        return ()

    def chunks(self, level: int, box: Box) -> Iterator[Box]:
        """Yield the level, as each pixel is mixed of two; see :meth:`Slide.chunks`."""
        return Slide.chunks(self, level, box)

    def announce(self, level: int, box: Box) -> Callable[[], None]:
        """Say that a rectangle will be read; see :meth:`Slide.announce`."""
        inside = box.intersection(self.facts.scanned_box(level))
        if not inside.area:
            return lambda: None
        first, second, _ = self._neighbours(level, inside)
        return self.slide.announce(level, self._reach(inside, first, second))

    def _neighbours(self, level: int, box: Box) -> tuple[Whole, Whole, Weights]:
        """Return the rows, or columns, of the file on either side, and the weight of the second."""
        scanned = self.slide.facts.scanned_box(level)
        start, end, low, high = (
            (box.x, box.right, scanned.x, scanned.right)
            if self._axis
            else (box.y, box.bottom, scanned.y, scanned.bottom)
        )
        centres = (np.arange(start, end) + 0.5) / self.facts.stretch[self._axis] - 0.5
        before = np.floor(centres)
        share = np.rint((centres - before) * _WEIGHT).astype(np.uint16)
        first, second = (
            np.clip(lines, low, high - 1).astype(np.int64) for lines in (before, before + 1)
        )
        return first, second, share

    def _reach(self, box: Box, first: Whole, second: Whole) -> Box:
        """Return what a box is made of, in pixels of the file."""
        start, length = int(first[0]), int(second[-1] - first[0]) + 1
        if self._axis:
            return Box(box.y, start, box.height, length)
        return Box(start, box.x, length, box.width)


def _square(facts: SlideFacts) -> SlideFacts:
    """Return facts as they are in square pixels."""
    size = facts.pixel_size
    assert size is not None
    pitch = min(size.height, size.width)
    stretch = size.height / pitch, size.width / pitch
    return replace(
        facts,
        levels=tuple(
            replace(level, height=whole.height, width=whole.width)
            for level in facts.levels
            for whole in [level.box.scaled(*stretch)]
        ),
        pixel_size=PixelSize(pitch, pitch, size.source),
        stretch=stretch,
        tile_shape=facts.tile_shape and Box(0, 0, *facts.tile_shape).scaled(*stretch).shape,
        bounds=facts.bounds and facts.bounds.scaled(*stretch),
        warnings=(
            *facts.warnings,
            f"its pixels of {size.text} are read as square ones of {pitch:g} µm",
        ),
    )


def _mix(pixels: Pixels, first: Whole, second: Whole, share: Weights, axis: int) -> Pixels:
    """Return rows or columns that lie between two of the pixels' own.

    Parameters
    ----------
    pixels : ndarray
        uint8 ``(H, W, 3)``.
    first, second : ndarray
        Rows, or columns, on either side.
    share : ndarray
        Weight of the second, 0 to 256.
    axis : int
        0 for rows, 1 for columns.
    """
    # Without an axis of three channels it takes a third of the time.
    flat = pixels.reshape(len(pixels), -1)
    if axis == 1:
        first, second = (np.add.outer(each * 3, np.arange(3)).ravel() for each in (first, second))
        share = share.repeat(3)
    height, width = (len(flat), len(first)) if axis == 1 else (len(first), flat.shape[1])
    mixed = np.empty((height, width), np.uint8)
    for top in range(0, height, _ROWS):
        rows = slice(top, top + _ROWS)
        if axis == 1:
            before, after, weight = flat[rows].take(first, 1), flat[rows].take(second, 1), share
        else:
            before, after, weight = flat[first[rows]], flat[second[rows]], share[rows, None]
        total = before * (_WEIGHT - weight)
        total += after * weight
        total += _WEIGHT // 2
        mixed[rows] = total // _WEIGHT
    return mixed.reshape(height, -1, 3)

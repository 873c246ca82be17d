"""A slide that reads as white where its file is damaged."""

from __future__ import annotations

from collections.abc import Callable

from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.pixels import WHITE, Pixels, blank
from wsiseg.tiling.slides.slide import Slide
from wsiseg.tiling.slides.wrapped import WrappedSlide


class FaultTolerantSlide(WrappedSlide):
    """A slide whose damaged file tiles read as white, and no others.

    Parameters
    ----------
    slide : Slide
        Open.

    Attributes
    ----------
    unread : set of (int, Box)
        Level and place of each file tile that could not be read so far.
    """

    def __init__(self, slide: Slide) -> None:
        super().__init__(slide)
        self.unread: set[tuple[int, Box]] = set()

    def _read(self, level: int, box: Box) -> Pixels:
        return self._patched(level, box, 1, lambda part: self.slide.read_region(level, part))

    def read_reduced(self, level: int, box: Box, reduction: int) -> Pixels:
        """Read a rectangle of one level, several pixels along as one.

        See :meth:`Slide.read_reduced`.
        """
        return self._patched(
            level, box, reduction, lambda part: self.slide.read_reduced(level, part, reduction)
        )

    def _patched(
        self, level: int, box: Box, reduction: int, read: Callable[[Box], Pixels]
    ) -> Pixels:
        try:
            return read(box)
        except DamagedSlideError:
            # Which of its pieces are to blame, is found out one by one.
            pixels = blank(box.shape, WHITE)
        whole = Box(*(reduction * v for v in (box.y, box.x, box.height, box.width)))
        for piece in self.slide.chunks(level, whole):
            part = piece.reduced(reduction).intersection(box)
            try:
                pixels[part.slices_in(box)] = read(part)
            except DamagedSlideError:
                self.unread.add((level, piece.intersection(self.levels[level].box)))
        return pixels

"""Base class of slides that change the pixels of another slide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.slide import Slide


class WrappedSlide(Slide):
    """Delegates everything to another slide; a subclass overrides what it changes.

    Closing it closes the other slide.

    Parameters
    ----------
    slide : Slide
        Open.
    """

    def __init__(self, slide: Slide) -> None:
        super().__init__(slide.path)
        self.slide = slide
        self.reader, self.why, self.facts = slide.reader, slide.why, slide.facts

    @property
    def cache_bytes(self) -> int:
        """Most bytes that the wrapped slide keeps; see :attr:`Slide.cache_bytes`."""
        return self.slide.cache_bytes

    def _read(self, level: int, box: Box) -> Pixels:
        return self.slide.read_region(level, box)

    def reductions(self, level: int) -> tuple[int, ...]:
        """Return the reductions of the wrapped slide; see :meth:`Slide.reductions`."""
        return self.slide.reductions(level)

    def read_reduced(self, level: int, box: Box, reduction: int) -> Pixels:
        """Read a rectangle of one level, several pixels along as one.

        See :meth:`Slide.read_reduced`.
        """
        return self.slide.read_reduced(level, box, reduction)

    def chunks(self, level: int, box: Box) -> Iterator[Box]:
        """Yield what the file keeps apart of a rectangle; see :meth:`Slide.chunks`."""
        return self.slide.chunks(level, box)

    def announce(self, level: int, box: Box) -> Callable[[], None]:
        """Say that a rectangle will be read; see :meth:`Slide.announce`."""
        return self.slide.announce(level, box)

    def fingerprint(self) -> dict[str, object]:
        """Return that of the wrapped slide; see :meth:`Slide.fingerprint`."""
        return self.slide.fingerprint()

    def _read_associated(self, name: str) -> Pixels:
        return self.slide.read_associated(name)

    def close(self) -> None:
        """Close the slide."""
        self.slide.close()

    def __reduce__(self) -> tuple[type[Self], tuple[Slide, ...]]:  # type: ignore[override]
        return type(self), (self.slide,)

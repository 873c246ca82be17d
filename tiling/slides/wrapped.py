"""A slide seen through something that changes its pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.slide import Pixels, Slide


class WrappedSlide(Slide):
    """Passes on whatever is asked; a subclass changes what it is for.  Closing it closes the slide.

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
        """Bytes that the slide keeps; see the base class."""
        return self.slide.cache_bytes

    def _read(self, level: int, box: Box) -> Pixels:
        return self.slide.read_region(level, box)

    def reductions(self, level: int) -> tuple[int, ...]:
        """Return the whole numbers by which a level can be read reduced; see the base class."""
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
        """Return what tells the slide's content from another's; see the base class."""
        return self.slide.fingerprint()

    def _read_associated(self, name: str) -> Pixels:
        return self.slide.read_associated(name)

    def close(self) -> None:
        """Close the slide."""
        self.slide.close()

    def __reduce__(self) -> tuple[type[Self], tuple[Slide, ...]]:  # type: ignore[override]
        return type(self), (self.slide,)

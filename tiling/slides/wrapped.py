"""Slides of which something is changed while they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.slide import Pixels, Slide


class WrappedSlide(Slide):
    """Another slide, read otherwise; closing it closes the slide.

    Parameters
    ----------
    slide : Slide
        Open.
    """

    def __init__(self, slide: Slide) -> None:
        super().__init__(slide.path)
        self.slide = slide
        self.reader, self.why, self.facts = slide.reader, slide.why, slide.facts

    def announce(self, level: int, box: Box) -> Callable[[], None]:
        """Say that a rectangle will be read; see the base class."""
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

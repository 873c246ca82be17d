"""Slide readers behind one :class:`Slide`; a new format is a file here and a line in `opening`."""

from wsiseg.tiling.slides.opening import open_slide
from wsiseg.tiling.slides.slide import Level, Slide, SlideFacts

__all__ = ["Level", "Slide", "SlideFacts", "open_slide"]

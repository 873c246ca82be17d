"""Slide readers behind one :class:`Slide`; a new one is a file here and an entry in `opening`."""

from wsiseg.tiling.slides.locations import address
from wsiseg.tiling.slides.opening import READERS, Verdict, judge_readers, open_slide
from wsiseg.tiling.slides.slide import Level, Slide, SlideFacts, slide_name
from wsiseg.tiling.slides.squared import as_stored

__all__ = [
    "READERS",
    "Level",
    "Slide",
    "SlideFacts",
    "Verdict",
    "address",
    "as_stored",
    "judge_readers",
    "open_slide",
    "slide_name",
]

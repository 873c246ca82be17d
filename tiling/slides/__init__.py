"""Slide readers behind one :class:`Slide`; a new one is a file here and an entry in `opening`."""

from wsiseg.tiling.slides.finding import FoundSlides, find_slides
from wsiseg.tiling.slides.locations import address
from wsiseg.tiling.slides.opening import (
    READERS,
    Verdict,
    is_slide_folder,
    judge_readers,
    open_slide,
)
from wsiseg.tiling.slides.patched import PatchedSlide
from wsiseg.tiling.slides.slide import Level, Slide, SlideFacts, slide_name
from wsiseg.tiling.slides.squared import as_stored

__all__ = [
    "READERS",
    "FoundSlides",
    "Level",
    "PatchedSlide",
    "Slide",
    "SlideFacts",
    "Verdict",
    "address",
    "as_stored",
    "find_slides",
    "is_slide_folder",
    "judge_readers",
    "open_slide",
    "slide_name",
]

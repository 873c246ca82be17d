"""Slide readers behind one :class:`Slide`; a new one is a file here and an entry in `opening`."""

from wsiseg.remote.addresses import url_or_path
from wsiseg.tiling.slides.discovery import FoundSlides, find_slides
from wsiseg.tiling.slides.fault_tolerant import FaultTolerantSlide
from wsiseg.tiling.slides.measured import MeasuredSlide, with_slide_mpp
from wsiseg.tiling.slides.readers import (
    READERS,
    ReaderProbe,
    is_slide_folder,
    open_slide,
    probe_readers,
)
from wsiseg.tiling.slides.slide import Level, Slide, SlideFacts, slide_name
from wsiseg.tiling.slides.square_pixels import with_stored_pixels

__all__ = [
    "READERS",
    "FaultTolerantSlide",
    "FoundSlides",
    "Level",
    "MeasuredSlide",
    "ReaderProbe",
    "Slide",
    "SlideFacts",
    "find_slides",
    "is_slide_folder",
    "open_slide",
    "probe_readers",
    "slide_name",
    "url_or_path",
    "with_slide_mpp",
    "with_stored_pixels",
]

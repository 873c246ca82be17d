"""Slides, levels, tiles and stitching: pixels in, pixels out.

Knows slides and geometry; knows nothing of networks, torch or the command line.
"""

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides import Slide, open_slide

__all__ = ["Box", "Slide", "open_slide"]

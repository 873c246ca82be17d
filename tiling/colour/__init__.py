"""What is done to a slide's colours while it is read: pixels in, pixels out, place by place."""

from wsiseg.tiling.colour.colours import Colours
from wsiseg.tiling.colour.normalising import METHODS, Look, StainMethod, StainStep, find_look
from wsiseg.tiling.colour.profiles import ProfileStep, profile_name
from wsiseg.tiling.colour.recolouring import ColourStep, RecolouredSlide

__all__ = [
    "METHODS",
    "ColourStep",
    "Colours",
    "Look",
    "ProfileStep",
    "RecolouredSlide",
    "StainMethod",
    "StainStep",
    "find_look",
    "profile_name",
]

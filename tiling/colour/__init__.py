"""Colour of a slide while it is read: ICC profiles and stain normalisation, pixel by pixel."""

from wsiseg.tiling.colour.icc_profiles import ProfileStep, profile_name
from wsiseg.tiling.colour.options import ColourOptions
from wsiseg.tiling.colour.recolouring import ColourStep, RecolouredSlide
from wsiseg.tiling.colour.stain_normalisation import (
    METHODS,
    StainEstimate,
    StainMethod,
    StainStep,
    estimate_stains,
)

__all__ = [
    "METHODS",
    "ColourOptions",
    "ColourStep",
    "ProfileStep",
    "RecolouredSlide",
    "StainEstimate",
    "StainMethod",
    "StainStep",
    "estimate_stains",
    "profile_name",
]

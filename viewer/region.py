"""A part of a slide that is labelled in memory, where it can be painted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wsiseg.models.class_sets import LabelClass
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.viewer.layers import SlideView


@dataclass(frozen=True)
class RegionView:
    """A part of a slide at a working resolution.

    Attributes
    ----------
    slide : SlideView
        The slide.
    plane : WorkingPlane
        How it is looked at.
    box : Box
        The part, in working pixels.
    classes : mapping of int to LabelClass
        What the labels mean.
    """

    slide: SlideView
    plane: WorkingPlane
    box: Box
    classes: Mapping[int, LabelClass]

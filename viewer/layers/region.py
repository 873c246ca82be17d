"""A part of a slide that is labelled in memory, where it can be painted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wsiseg.classes import LabelClass
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import SlideView


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

    @property
    def frame(self) -> Frame:
        """Where it lies."""
        return self.slide.frame

    @property
    def pixel(self) -> float:
        """Pixels of the slide's level 0 along one of its own."""
        return self.plane.slide_scale

    @property
    def corner(self) -> tuple[float, float]:
        """``(y, x)`` of its corner in pixels of level 0."""
        return self.box.y * self.pixel, self.box.x * self.pixel

    def placing(self, step: int = 1) -> dict[str, Any]:
        """Return scale, translation and units of a layer of every `step`-th pixel."""
        return self.frame.placing(self.pixel * step, *self.corner)

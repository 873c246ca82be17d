"""Where things lie in the window: one frame for a slide, its masks and what is drawn on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level
from wsiseg.tiling.slides import Slide

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """Lengths of the world that napari shows, and of the slide.

    World coordinates count from the centre of the slide's first pixel, as napari and our masks
    do; corners of shapes count from that pixel's own corner, as annotations do.

    Attributes
    ----------
    pixel : float
        Edge of a pixel of the slide's level 0 in the world.
    unit : str
        What the world is measured in: ``"um"``, or ``"pixel"`` where the resolution is unknown.
    stretch : tuple of float
        Pixels of level 0 along one of the slide's file, ``(y, x)``.
    """

    pixel: float
    unit: str
    stretch: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of(cls, slide: Slide) -> Frame:
        """Return the frame of a slide.

        Parameters
        ----------
        slide : Slide
            Open.
        """
        mpp = plane_at_level(slide, 0).mpp
        pixel, unit = (1.0, "pixel") if mpp is None else (mpp, "um")
        return cls(pixel, unit, slide.facts.stretch)

    @property
    def mpp(self) -> float | None:
        """µm per pixel of level 0, if it is known."""
        return self.pixel if self.unit == "um" else None

    def placing(self, slide_scale: float = 1.0, y: float = 0.0, x: float = 0.0) -> dict[str, Any]:
        """Return scale, translation and units of a layer of pixels.

        Parameters
        ----------
        slide_scale : float
            Pixels of level 0 along one of the layer's pixels.
        y, x : float
            Corner of its first pixel, in pixels of level 0.
        """
        shift = (slide_scale - 1) / 2
        return {
            "scale": (slide_scale * self.pixel,) * 2,
            "translate": ((y + shift) * self.pixel, (x + shift) * self.pixel),
            "units": (self.unit,) * 2,
        }

    def to_world(self, corners: Points) -> Points:
        """Turn corners in pixels of level 0 into world coordinates; ``y, x`` both."""
        return (np.asarray(corners, float) - 0.5) * self.pixel

    def to_slide(self, places: Points) -> Points:
        """Turn world coordinates into corners in pixels of level 0; ``y, x`` both."""
        return np.asarray(places, float) / self.pixel + 0.5


def working_box(slide_box: Box, plane: WorkingPlane) -> Box:
    """Return the working pixels that a box of level 0 touches, inside the plane.

    Parameters
    ----------
    slide_box : Box
        A box in pixels of level 0.
    plane : WorkingPlane
        The working plane.

    Returns
    -------
    Box
        In working pixels; empty if the box lies outside.
    """
    return slide_box.reduced(plane.slide_scale).intersection(plane.box)

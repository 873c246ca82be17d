"""Changing the colours of a slide while it is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Self

import numpy as np

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.slide import Slide
from wsiseg.tiling.slides.wrapped import WrappedSlide

_AT_A_TIME = 2**16
"""Pixels that are changed at a time, so that their values stay in the CPU's cache."""


class ColourStep(ABC):
    """A change of colours that depends on each pixel alone, not on its neighbours."""

    @abstractmethod
    def change(self, colours: Pixels) -> Pixels:
        """Return the changed colours of pixels, uint8 ``(N, 3)``, RGB, in the same order."""

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """Return the step's parameters as plain values, for the run file."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """Return a picture with its colours changed.

        Parameters
        ----------
        pixels : ndarray
            uint8 ``(H, W, 3)``, RGB.

        Returns
        -------
        ndarray
            Of the same shape and type.
        """
        colours = np.ascontiguousarray(pixels).reshape(-1, 3)
        changed = np.empty_like(colours)
        for start in range(0, len(colours), _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            changed[part] = self.change(colours[part])
        return changed.reshape(pixels.shape)


class RecolouredSlide(WrappedSlide):
    """A slide whose pixels pass colour steps as they are read; closing it closes the slide.

    Parameters
    ----------
    slide : Slide
        Open.
    steps : tuple of ColourStep
        Applied in this order.
    """

    def __init__(self, slide: Slide, steps: tuple[ColourStep, ...]) -> None:
        super().__init__(slide)
        self.steps = steps
        glass = np.array([[slide.facts.background]], np.uint8)
        red, green, blue = self._recoloured(glass)[0, 0].tolist()
        self.facts = replace(slide.facts, background=(red, green, blue))

    def _read(self, level: int, box: Box) -> Pixels:
        return self._recoloured(super()._read(level, box))

    def read_reduced(self, level: int, box: Box, reduction: int) -> Pixels:
        """Read a rectangle of one level, several pixels along as one.

        See :meth:`Slide.read_reduced`.
        """
        return self._recoloured(super().read_reduced(level, box, reduction))

    def _recoloured(self, pixels: Pixels) -> Pixels:
        for step in self.steps:
            pixels = step(pixels)
        return pixels

    def __reduce__(self) -> tuple[type[Self], tuple[Slide, tuple[ColourStep, ...]]]:  # type: ignore[override]
        return type(self), (self.slide, self.steps)

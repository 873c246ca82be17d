"""Sources of labels: a mask picture, an OME-Zarr store, or a file of polygons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide

Labels = npt.NDArray[np.uint8]

IGNORED = 255
"""Label of a pixel without annotation (an ignore index): it has no loss and no score."""


class LabelPlane(ABC):
    """Labels on the working plane of one slide.

    Attributes
    ----------
    notes : tuple of str
        Sentences on what was repaired, left out or decided when they were read.
    """

    notes: tuple[str, ...] = ()

    @abstractmethod
    def read(self, box: Box) -> Labels:
        """Return the labels of a box of working pixels.

        A working pixel has the label at its centre.

        Parameters
        ----------
        box : Box
            May reach over the plane's edge, where labels are `IGNORED`.

        Returns
        -------
        ndarray
            uint8 ``(box.height, box.width)``: indices of classes, or `IGNORED`.
        """

    def landmarks(self, narrowest: float) -> Sequence[tuple[int, float, float]]:
        """Return a point in every shape that a coarse sampling of pixels may miss.

        Parameters
        ----------
        narrowest : float
            Distance of the samples in working pixels; shapes that are wider and higher may be
            left out.

        Returns
        -------
        sequence of (int, float, float)
            Label, y and x in working pixels; empty for masks, which have no shapes.
        """
        return ()

    def outlines(self) -> npt.NDArray[np.object_]:
        """Return the shapes that somebody drew, in pixels of level 0; none for masks."""
        return np.empty(0, object)

    def sketch(self, shape: tuple[int, ...], full: tuple[int, int]) -> Labels | None:
        """Return a mask reduced over the whole slide; None for what was drawn.

        Parameters
        ----------
        shape : tuple of int
            ``(h, w)`` of what is wanted.
        full : tuple of int
            ``(height, width)`` of the slide's level 0.

        Returns
        -------
        ndarray or None
            uint8 ``(h, w)``: the labels at the centres of as many cells.
        """
        return None


class LabelSource(ABC):
    """A file of labels that is not open, and can be sent to another process.

    Parameters
    ----------
    path : Path
        The file or store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def open(self, slide: Slide, plane: WorkingPlane) -> LabelPlane:
        """Open the file and place its labels on the working plane of their slide.

        Parameters
        ----------
        slide : Slide
            Open.
        plane : WorkingPlane
            Its working plane.

        Raises
        ------
        AnnotationError
            If the file cannot be read, or has a class or value that the class map does not have.
        DataSetError
            If it does not fit the slide.
        """

    def check(self) -> None:  # noqa: B027
        """Check all values, including those that reading at a low resolution skips.

        Raises
        ------
        AnnotationError
            If a value has no class.
        """

"""Where labels come from, whoever drew them: a picture, a store, a file of polygons."""

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
"""Label of a pixel that nobody annotated: no loss, no score."""


class LabelPlane(ABC):
    """Labels laid over the working plane of one slide.

    Attributes
    ----------
    notes : tuple of str
        What was repaired, left out or decided when they were read.
    """

    notes: tuple[str, ...] = ()

    @abstractmethod
    def read(self, box: Box) -> Labels:
        """Return the labels of a box of working pixels.

        A working pixel has the label of the place at its centre.

        Parameters
        ----------
        box : Box
            May reach over the plane's edge; there everything is ignored.

        Returns
        -------
        ndarray
            uint8 ``(box.height, box.width)``: indices of classes, or `IGNORED`.
        """

    def landmarks(self, narrowest: float) -> Sequence[tuple[int, float, float]]:
        """Return a place in every shape that looking at every so many pixels may pass over.

        Parameters
        ----------
        narrowest : float
            Shapes that are wider and higher than this, in working pixels, may be left out.

        Returns
        -------
        sequence of (int, float, float)
            Label, y and x in working pixels; nothing where labels are pixels and no shapes.
        """
        return ()


class LabelSource(ABC):
    """A file of labels, closed; small enough to be sent to another process.

    Parameters
    ----------
    path : Path
        The file or store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def open(self, slide: Slide, plane: WorkingPlane) -> LabelPlane:
        """Lay the labels over a plane of their slide.

        Raises
        ------
        AnnotationError
            If the file cannot be read, or holds a class or value that nobody explained.
        DataSetError
            If it does not fit the slide.
        """

    def check(self) -> None:  # noqa: B027
        """Look at what reading at a reduced resolution passes over.

        Raises
        ------
        AnnotationError
            If a value there means no class.
        """

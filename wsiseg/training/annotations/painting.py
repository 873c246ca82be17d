"""Shapes painted over each other into boxes of working pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.regions import Outline
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.training.annotations.labels import Labels

_WORTH_KEEPING = 1000
"""Corners from which on taking a shape apart costs more than the memory to remember it."""


class ShapePainter:
    """Shapes, laid over a working plane and painted where somebody looks.

    Parameters
    ----------
    shapes : sequence of (shapely geometry, int)
        Polygons in pixels of level 0, and the label that each gives; a later one lies over those
        before it.
    plane : WorkingPlane
        What they are laid over.
    """

    def __init__(self, shapes: Sequence[tuple[BaseGeometry, int]], plane: WorkingPlane) -> None:
        self._slide_scale = plane.slide_scale
        self._geometries = [geometry for geometry, _ in shapes]
        self._labels = [label for _, label in shapes]
        self._tree = shapely.STRtree(self._geometries)
        self._kept: dict[int, Outline] = {}

    def paint(self, box: Box, ground: int) -> Labels:
        """Paint a box.

        Parameters
        ----------
        box : Box
            In working pixels.
        ground : int
            Label of pixels in no shape.

        Returns
        -------
        ndarray
            uint8 ``(box.height, box.width)``: of each pixel the label of the last shape that
            holds its centre.
        """
        labels = np.full(box.shape, ground, np.uint8)
        corners = np.array([box.x, box.y, box.right, box.bottom]) * self._slide_scale
        for index in np.sort(self._tree.query(shapely.box(*corners))).tolist():
            part = self._reach(index).intersection(box)
            if part.area:
                inside = self._outline(index).fill(part)
                labels[part.within(box)][inside] = self._labels[index]
        return labels

    def _reach(self, index: int) -> Box:
        """Return the working pixels that a shape can touch."""
        bounds = np.array(self._geometries[index].bounds) / self._slide_scale
        x, y = np.floor(bounds[:2]).astype(int).tolist()
        right, bottom = np.ceil(bounds[2:]).astype(int).tolist()
        return Box(y, x, bottom - y, right - x)

    def _outline(self, index: int) -> Outline:
        if index in self._kept:
            return self._kept[index]
        geometry = self._geometries[index]
        outline = Outline(geometry, 1 / self._slide_scale)
        if shapely.get_num_coordinates(geometry) >= _WORTH_KEEPING:
            self._kept[index] = outline
        return outline

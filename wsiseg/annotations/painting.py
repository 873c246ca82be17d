"""Rasterises shapes, one over the other, into boxes of working pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from wsiseg.annotations.labels import Labels
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.regions import PolygonRasteriser
from wsiseg.tiling.resolution import WorkingPlane

_MANY_CORNERS = 1000
"""From here on taking a shape apart costs more than the memory to remember its edges."""

_MANY_PIXELS = 1 << 20
"""From here on filling a shape alone costs less than the memory to paint it among others."""


class ShapePainter:
    """Rasterises shapes on demand, into any box of a working plane.

    Parameters
    ----------
    shapes : sequence of (shapely geometry, int)
        Polygons ``x, y`` in pixels of level 0, each with its label; later ones cover earlier ones.
    plane : WorkingPlane
        The working plane of the slide.

    Examples
    --------
    >>> plane = WorkingPlane(4, 4, level=0, level_scale=1.0, slide_scale=2.0, mpp=0.5)
    >>> painter = ShapePainter([(shapely.box(0, 0, 4, 2), 1)], plane)
    >>> painter.paint(Box(0, 0, 2, 3), ground=255).tolist()
    [[1, 1, 255], [255, 255, 255]]
    """

    def __init__(self, shapes: Sequence[tuple[BaseGeometry, int]], plane: WorkingPlane) -> None:
        self._slide_scale = plane.slide_scale
        self._geometries = np.empty(len(shapes), object)
        self._geometries[:] = [geometry for geometry, _ in shapes]
        self._labels = np.array([label for _, label in shapes], np.uint8)
        self._large = shapely.get_num_coordinates(self._geometries) >= _MANY_CORNERS
        self._tree = shapely.STRtree(self._geometries)
        self._kept: dict[int, PolygonRasteriser] = {}

    def paint(self, box: Box, ground: int) -> Labels:
        """Return the labels of a box.

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
        found = np.sort(self._tree.query(shapely.box(*corners)))
        together: list[int] = []
        pixels = 0
        for index, part in zip(found.tolist(), self._parts(found, box), strict=True):
            if self._large[index] or part.area > _MANY_PIXELS:
                self._paint_together(together, box, labels)
                together, pixels = [], 0
                labels[part.slices_in(box)][self._outline(index).fill(part)] = self._labels[index]
            else:
                together.append(index)
                pixels += part.area
            if pixels > _MANY_PIXELS:
                self._paint_together(together, box, labels)
                together, pixels = [], 0
        self._paint_together(together, box, labels)
        return labels

    def landmarks(self, narrowest: float) -> list[tuple[int, float, float]]:
        """Return a point in every shape that a coarse sampling of pixels may miss.

        Parameters
        ----------
        narrowest : float
            Distance of the samples in working pixels; shapes that are wider and higher are left
            out.

        Returns
        -------
        list of (int, float, float)
            Label, y and x in working pixels, for shapes whose point no later shape covers.
        """
        bounds = shapely.bounds(self._geometries) / self._slide_scale
        sides = np.minimum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
        narrow = np.flatnonzero(sides <= narrowest)
        points = shapely.point_on_surface(self._geometries[narrow])
        place, shape = self._tree.query(points, predicate="intersects")
        topmost = np.full(len(narrow), -1)
        np.maximum.at(topmost, place, shape)
        seen = topmost == narrow
        places = shapely.get_coordinates(points[seen]) / self._slide_scale
        labels = self._labels[narrow[seen]]
        return [(int(n), float(y), float(x)) for n, (x, y) in zip(labels, places, strict=True)]

    def _parts(self, found: npt.NDArray[np.int64], box: Box) -> Iterator[Box]:
        """Yield the part of a box that each shape can touch."""
        bounds = shapely.bounds(self._geometries[found]) / self._slide_scale
        low, high = np.floor(bounds[:, :2]), np.ceil(bounds[:, 2:])
        for x, y, right, bottom in np.hstack([low, high]).astype(np.int64).tolist():
            yield Box(y, x, bottom - y, right - x).intersection(box)

    def _paint_together(self, indices: list[int], box: Box, labels: Labels) -> None:
        """Paint shapes of few pixels: most of their time would go by between them."""
        if not indices:
            return
        outlines = PolygonRasteriser(self._geometries[indices], 1 / self._slide_scale)
        owner, row, first, last = outlines.runs(box)
        lengths = last - first
        run = np.repeat(np.arange(len(lengths)), lengths)
        within = np.arange(len(run)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        # Of what is assigned to one pixel, the last stays: that of the last shape.
        labels[row[run], first[run] + within] = self._labels[indices][owner[run]]

    def _outline(self, index: int) -> PolygonRasteriser:
        if index in self._kept:
            return self._kept[index]
        outline = PolygonRasteriser([self._geometries[index]], 1 / self._slide_scale)
        if self._large[index]:
            self._kept[index] = outline
        return outline

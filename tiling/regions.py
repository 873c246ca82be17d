"""Rasterising polygons: which pixels of a plane lie inside a user's regions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from wsiseg.tiling.blocks import BlockGrid
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane

Mask = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]
Geometries = Sequence[BaseGeometry] | npt.NDArray[np.object_]


class PolygonRasteriser:
    """Rasterises polygons box by box, by the even-odd rule at pixel centres.

    A pixel is inside where a row of pixel centres has crossed an odd number of edges before it.
    Polygons that share an edge share every crossing of it: no pixel falls between them, and none
    is in both.

    Parameters
    ----------
    geometries : sequence of shapely geometry
        Valid polygons; other kinds are ignored.  In one that is not valid, overlapping parts
        become holes.
    scale : float
        Factor from their coordinates to pixels; whole numbers are pixel corners.

    Examples
    --------
    >>> import shapely
    >>> from wsiseg.tiling.blocks import BlockGrid
    >>> from wsiseg.tiling.boxes import Box
    >>> PolygonRasteriser([shapely.box(1, 0, 3, 2)]).fill(Box(0, 0, 2, 4)).astype(int)
    array([[0, 1, 1, 0],
           [0, 1, 1, 0]])
    """

    def __init__(self, geometries: Geometries, scale: float = 1.0) -> None:
        parts, owner = shapely.get_parts(geometries, return_index=True)
        # Once more, for the multi-polygons of a collection.
        parts, part_of = shapely.get_parts(parts, return_index=True)
        rings, ring_of = shapely.get_rings(parts, return_index=True)
        points, ring = shapely.get_coordinates(rings, return_index=True)
        points = points * scale
        joined = ring[:-1] == ring[1:]
        start, end = points[:-1][joined], points[1:][joined]
        upward = (start[:, 1] > end[:, 1])[:, None]
        edges = np.hstack([np.where(upward, end, start), np.where(upward, start, end)])
        rows = np.ceil(edges[:, 1::2] - 0.5).astype(np.int64)
        crossing = rows[:, 0] < rows[:, 1]
        self._edges = edges[crossing]
        self._first, self._last = rows[crossing].T
        self._owner = owner[part_of][ring_of][ring[:-1][joined]][crossing]

    def fill(self, box: Box) -> Mask:
        """Return which pixels of a box have their centre inside.

        Parameters
        ----------
        box : Box
            In pixels.

        Returns
        -------
        ndarray
            bool ``(box.height, box.width)``; where two polygons overlap, none.
        """
        _, row, column = self._cross(box)
        # Every crossing of a row of pixel centres by an edge turns inside to outside or back.
        turns = np.zeros((box.height, box.width + 1), np.uint8)
        np.add.at(turns, (row, column), 1)
        return (np.cumsum(turns[:, :-1], axis=1, dtype=np.uint8) & 1).astype(bool)

    def runs(self, box: Box) -> tuple[Whole, Whole, Whole, Whole]:
        """Return the runs of pixels of a box that have their centre inside.

        Parameters
        ----------
        box : Box
            In pixels.

        Returns
        -------
        ndarray, ndarray, ndarray, ndarray
            int64 ``(n,)`` each: the number of the geometry, row, first column, and the first
            column behind, counted from the box's corner; in the order of the geometries.
        """
        owner, row, column = self._cross(box)
        order = np.lexsort((column, row, owner))
        entered, left = order[0::2], order[1::2]
        seen = column[entered] < column[left]
        entered, left = entered[seen], left[seen]
        return owner[entered], row[entered], column[entered], column[left]

    def _cross(self, box: Box) -> tuple[Whole, Whole, Whole]:
        """Return where edges cross the rows of pixel centres: geometry, row, next column."""
        met = (self._first < box.bottom) & (self._last > box.y)
        first = np.maximum(self._first[met], box.y)
        counts = np.minimum(self._last[met], box.bottom) - first
        edge = np.repeat(np.arange(len(counts)), counts)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
        x0, y0, x1, y1 = self._edges[met][edge].T
        crossing = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        column = np.clip(np.ceil(crossing - 0.5).astype(np.int64) - box.x, 0, box.width)
        return self._owner[met][edge], row - box.y, column


class Regions:
    """The union of polygons on a working plane: where to analyse.

    Parameters
    ----------
    geometry : shapely geometry, or a sequence of them
        Valid polygons in pixels of level 0, corners at whole numbers.  Several may overlap; their
        union is never computed, which would take too long where many cross.
    plane : WorkingPlane
        The plane that they lie on.
    """

    def __init__(self, geometry: BaseGeometry | Geometries, plane: WorkingPlane) -> None:
        scale = 1 / plane.slide_scale
        given = np.atleast_1d(np.asarray(geometry, object))
        self._drawn = shapely.get_parts(given)
        self._rasteriser = PolygonRasteriser(given, scale)
        self._several = len(given) > 1
        parts = shapely.get_parts(shapely.transform(given, lambda points: points * scale))
        shapely.prepare(parts)
        self._tree = shapely.STRtree(parts)

    @property
    def drawn(self) -> npt.NDArray[np.object_]:
        """The polygons, in pixels of level 0."""
        return np.asarray(self._drawn, object)

    def blocks_in(self, grid: BlockGrid) -> Mask:
        """Tell which blocks of the plane a region overlaps; a shared border is none.

        Parameters
        ----------
        grid : BlockGrid
            Over the plane.

        Returns
        -------
        ndarray
            bool ``(rows, columns)``.
        """
        rows, columns = grid.edges(0), grid.edges(1)
        left, top = np.meshgrid(columns[:-1], rows[:-1])
        right, bottom = np.meshgrid(columns[1:], rows[1:])
        frames = shapely.box(left.ravel(), top.ravel(), right.ravel(), bottom.ravel())
        return self._met_by(frames).reshape(grid.shape)

    def touches(self, box: Box) -> bool:
        """Tell whether a region overlaps a box of working pixels; a shared border is none."""
        frame = shapely.box(box.x, box.y, box.right, box.bottom)
        return bool(self._met_by(np.array([frame])).any())

    def _met_by(self, frames: npt.NDArray[np.object_]) -> Mask:
        met = np.zeros(len(frames), bool)
        frame, part = self._tree.query(frames, predicate="intersects")
        common = shapely.intersection(frames[frame], self._tree.geometries[part])
        met[frame[shapely.area(common) > 0]] = True
        return met

    def digest(self) -> str:
        """Return a SHA-256 of the polygons, independent of how their file writes them."""
        # Where a ring begins, and which polygon comes first, makes no other area.
        drawn = shapely.normalize(shapely.multipolygons(self._drawn))
        return hashlib.sha256(shapely.to_wkb(drawn)).hexdigest()

    def rasterise(self, box: Box) -> Mask:
        """Return which working pixels of a box have their centre inside.

        Parameters
        ----------
        box : Box
            In working pixels.

        Returns
        -------
        ndarray
            bool ``(box.height, box.width)``.
        """
        if not self._several:
            return self._rasteriser.fill(box)
        _, row, first, last = self._rasteriser.runs(box)
        steps = np.zeros((box.height, box.width + 1), np.int32)
        np.add.at(steps, (row, first), 1)
        np.add.at(steps, (row, last), -1)
        return np.cumsum(steps[:, :-1], axis=1, dtype=np.int32) > 0

"""Vectorises labels to polygons that follow the edges of the pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely.geometry.base import BaseGeometry

from wsiseg.annotations.labels import IGNORED, Labels

_Whole = npt.NDArray[np.int64]


def polygonise(
    labels: Labels,
    slide_scale: float = 1.0,
    origin: tuple[float, float] = (0.0, 0.0),
    ignored: int = IGNORED,
) -> list[tuple[int, BaseGeometry]]:
    """Return every connected area of one label as a polygon.

    Pixels are connected by their sides.  The polygons follow the edges of the pixels exactly, with
    their holes, and share no area, so that painting them gives the labels back.

    Parameters
    ----------
    labels : ndarray
        uint8 ``(H, W)``.
    slide_scale : float
        Pixels of level 0 along one of the labels' pixels.
    origin : tuple of float
        ``(y, x)`` of the labels' corner in pixels of level 0.
    ignored : int
        The label of pixels to leave out.

    Returns
    -------
    list of (int, Polygon)
        Label and valid polygon, ``x, y`` in pixels of level 0, from top to bottom.

    Examples
    --------
    >>> labels = np.array([[0, 0, 255], [0, 0, 1]], np.uint8)
    >>> for label, polygon in polygonise(labels, slide_scale=4.0):
    ...     print(label, polygon.area, polygon.bounds)
    0 64.0 (0.0, 0.0, 8.0, 8.0)
    1 16.0 (8.0, 4.0, 12.0, 8.0)
    """
    # A frame of ignored pixels makes every border one between two pixels.
    framed = np.pad(labels, 1, constant_values=ignored)
    areas, area_labels = _connect(framed, ignored)
    corners = _find_corners(framed, areas)
    if not len(corners):
        return []
    corners, ring, area = _trace(corners, framed.shape)
    points = corners[:, ::-1] * slide_scale + np.array(origin)[::-1]
    rings = shapely.linearrings(points, indices=ring)
    present, place = np.unique(area, return_inverse=True)
    polygons = shapely.polygons(rings, indices=place)
    return list(zip(area_labels[present].tolist(), polygons.tolist(), strict=True))


class _Areas:
    """Which connected area each pixel belongs to, looked up through runs of equal pixels.

    A map of areas for every pixel would take eight times the memory of the labels.
    """

    def __init__(self, run_starts: _Whole, area_of_run: _Whole) -> None:
        self._run_starts = run_starts
        self._area_of_run = area_of_run

    def __getitem__(self, pixels: _Whole) -> _Whole:
        runs = np.searchsorted(self._run_starts, pixels, side="right") - 1
        return np.asarray(self._area_of_run[runs])


def _connect(framed: Labels, ignored: int) -> tuple[_Areas, Labels]:
    """Return the connected areas, and the label of each; ignored ones have the number -1."""
    begins = np.ones(framed.shape, bool)
    np.not_equal(framed[:, 1:], framed[:, :-1], out=begins[:, 1:])
    run_starts = np.flatnonzero(begins)
    run_labels = framed.ravel()[run_starts]
    # Where runs of neighbouring rows lie over each other, one of the two begins.
    touching = (begins[1:] | begins[:-1]) & (framed[1:] == framed[:-1])
    lower = np.flatnonzero(touching) + framed.shape[1]
    one = np.searchsorted(run_starts, lower - framed.shape[1], side="right") - 1
    other = np.searchsorted(run_starts, lower, side="right") - 1
    links = coo_array(
        (np.ones(len(one), bool), (one, other)), shape=(len(run_starts), len(run_starts))
    )
    _, area_of_run = connected_components(links, directed=False)
    # The areas are numbered in the order in which they begin.
    _, first, area_of_run = np.unique(area_of_run, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    area_of_run = number[area_of_run]
    area_labels = run_labels[first[order]]
    return _Areas(run_starts, np.where(run_labels == ignored, -1, area_of_run)), area_labels


def _find_corners(framed: Labels, areas: _Areas) -> npt.NDArray[Any]:
    """Return all corners of all areas.

    Returns
    -------
    ndarray
        int64 ``(n, 5)``: area, y, x, and for corners at the same place their order along the row
        and along the column.
    """
    a, b, c, d = framed[:-1, :-1], framed[:-1, 1:], framed[1:, :-1], framed[1:, 1:]
    straight = ((a == b) & (c == d)) | ((a == c) & (b == d))
    y, x = np.nonzero(~straight)
    width = framed.shape[1]
    first = y * width + x
    around = np.stack([areas[first + step] for step in (0, 1, width, width + 1)], axis=1)
    alike = (around[:, :, None] == around[:, None, :]).sum(axis=2)
    found = []

    def add(where: npt.NDArray[np.bool_], area: _Whole, along_row: int, along_column: int) -> None:
        where = where & (area >= 0)
        count = int(where.sum())
        order = np.broadcast_to((along_row, along_column), (count, 2))
        found.append(np.column_stack([area[where], y[where], x[where], order]))

    for pixel in range(4):
        add(alike[:, pixel] == 1, around[:, pixel], 0, 0)
    three = alike.max(axis=1) == 3
    add(three, np.where(alike[:, 0] == 3, around[:, 0], around[:, 1]), 0, 0)
    # Where an area meets itself corner to corner, its outline turns back around the other two
    # pixels: the area is joined, they are apart.  So one ring never touches itself.
    falling = (alike[:, 0] == 2) & (around[:, 0] == around[:, 3])
    add(falling, around[:, 0], 1, 0)
    add(falling, around[:, 0], 0, 1)
    rising = (alike[:, 1] == 2) & (around[:, 1] == around[:, 2])
    add(rising, around[:, 1], 0, 0)
    add(rising, around[:, 1], 1, 1)
    return np.concatenate(found)


def _trace(corners: _Whole, shape: tuple[int, ...]) -> tuple[_Whole, _Whole, _Whole]:
    """Join corners to rings.

    Along a row an area's corners are joined in pairs, and so they are along a column.  Of every
    area the outline comes first, as it has the topmost corner.

    Returns
    -------
    ndarray
        int64 ``(n, 2)``: y, x in the order of the rings.
    ndarray
        int64 ``(n,)``: which ring each belongs to.
    ndarray
        int64 ``(rings,)``: which area each ring belongs to.
    """
    height, width = shape
    area, y, x, along_row, along_column = corners.T
    order = np.argsort(((area * height + y) * width + x) * 2 + along_row)
    area, y, x, along_column = area[order], y[order], x[order], along_column[order]
    # Now corner 2k is joined with 2k + 1 along a row.
    down = np.argsort(((area * width + x) * height + y) * 2 + along_column)
    joined = np.empty(len(down), np.int64)
    joined[down[0::2]], joined[down[1::2]] = down[1::2], down[0::2]
    following = joined.tolist()
    visited = bytearray(len(following))
    walk: list[int] = []
    lengths: list[int] = []
    for start in range(0, len(following), 2):
        if visited[start]:
            continue
        before = len(walk)
        corner = start
        while not visited[corner]:
            beside = corner ^ 1
            visited[corner] = visited[beside] = 1
            walk += (corner, beside)
            corner = following[beside]
        lengths.append(len(walk) - before)
    path = np.array(walk)
    ends = np.cumsum(lengths)
    ring = np.repeat(np.arange(len(lengths)), lengths)
    return np.column_stack([y[path], x[path]]), ring, area[path[ends - 1]]

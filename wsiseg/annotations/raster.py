"""Raster labels: a mask with pixels of its own, sampled at the pixels of a working plane."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.labels import IGNORED, LabelPlane, Labels
from wsiseg.errors import AnnotationError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane

LookupTable = npt.NDArray[np.int16]
"""``(65536,)``: the label of each 16-bit value, -1 for values without a label."""

_VALUES = 65536

_BLOCK = 4096
"""Edge of what is in memory at once, a multiple of the chunks that stores are made of."""

_ROUNDING = 1e-6
"""Pixels of the grid; floating-point noise must not decide between two equally near pixels."""


class PixelArray(Protocol):
    """An array on disk or in memory, of which slices can be read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(H, W)`` or ``(H, W, S)``."""

    def __getitem__(self, key: tuple[slice, slice], /) -> Any: ...


def make_lookup_table(meanings: Mapping[int, int]) -> LookupTable:
    """Return a table of the label of each 16-bit value, for :func:`look_up`.

    Parameters
    ----------
    meanings : mapping of int to int
        The label, 0 to 255, of each value, 0 to 65535, that has one.

    Examples
    --------
    >>> make_lookup_table({0: 255, 7: 1})[[0, 1, 7]].tolist()
    [255, -1, 1]
    """
    table = np.full(_VALUES, -1, np.int16)
    for value, label in meanings.items():
        if not (0 <= value < _VALUES and 0 <= label <= IGNORED):
            message = f"a value of {value} cannot mean the label {label}"
            raise ValueError(message)
        table[value] = label
    return table


class RasterLabels(LabelPlane):
    """A mask with pixels of its own, sampled at the centres of working pixels.

    Parameters
    ----------
    values : PixelArray
        Integers ``(H, W)``, or ``(H, W, 3)`` with equal channels; only slices of it are read.
    table : ndarray
        int16 ``(65536,)``: the label of each value, see :func:`make_lookup_table`.
    plane : WorkingPlane
        The working plane of the slide.
    where : Path
        The file, for errors.
    pixel : tuple of float
        Pixels of level 0 along one pixel of the mask, ``(y, x)``.
    corner : tuple of float
        ``(y, x)`` of the mask's corner in pixels of level 0.
    overview : PixelArray, optional
        The same mask with fewer pixels, which is quicker to read as a whole.
    """

    def __init__(
        self,
        values: PixelArray,
        table: LookupTable,
        plane: WorkingPlane,
        where: Path,
        *,
        pixel: tuple[float, float] = (1.0, 1.0),
        corner: tuple[float, float] = (0.0, 0.0),
        overview: PixelArray | None = None,
    ) -> None:
        self._values = values
        self._table = table
        self._plane = plane
        self._where = where
        self._pixel = pixel
        self._corner = corner
        self._overview = values if overview is None else overview

    def read(self, box: Box) -> Labels:
        """Return the labels of a box; see :class:`LabelPlane`."""
        labels = np.full(box.shape, IGNORED, np.uint8)
        inside = box.intersection(self._plane.box)
        rows, y = self._places(inside.y, inside.height, axis=0)
        columns, x = self._places(inside.x, inside.width, axis=1)
        if rows.size and columns.size:
            part = Box(inside.y + y, inside.x + x, rows.size, columns.size)
            labels[part.slices_in(box)] = self._pick(rows, columns)
        return labels

    def sketch(self, shape: tuple[int, ...], full: tuple[int, int]) -> Labels:
        """Return the labels over the whole slide, reduced; see :class:`LabelPlane`."""
        coarse, fine = self._overview.shape, self._values.shape
        height, width = shape
        plane = WorkingPlane(height, width, 0, 1.0, 1.0, None)
        # In cells of what is wanted, which are as many along either side as it says.
        cells = [edge / side for edge, side in zip(full, shape, strict=True)]
        pixel = [
            each * n / m / cell
            for each, n, m, cell in zip(self._pixel, fine, coarse, cells, strict=False)
        ]
        corner = [start / cell for start, cell in zip(self._corner, cells, strict=True)]
        seen = RasterLabels(
            self._overview,
            self._table,
            plane,
            self._where,
            pixel=(pixel[0], pixel[1]),
            corner=(corner[0], corner[1]),
        )
        return seen.read(plane.box)

    def _pick(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Labels:
        """Return the labels where rows and columns of the grid cross."""
        labels = np.empty((rows.size, columns.size), np.uint8)
        # A coarse plane needs few pixels of a large part of the grid, which fits no memory whole.
        for down in _blocks(rows):
            for across in _blocks(columns):
                y, x = rows[down], columns[across]
                block = self._values[_span(y), _span(x)]
                picked = one_channel(block, self._where)[np.ix_(y - y[0], x - x[0])]
                labels[down, across] = look_up(picked, self._table, self._where)
        return labels

    def _places(self, start: int, length: int, axis: int) -> tuple[npt.NDArray[np.int64], int]:
        """Return the grid's rows or columns under pixel centres, and how many lie before it."""
        edge = self._values.shape[axis]
        centres = (np.arange(start, start + length) + 0.5) * self._plane.slide_scale
        at = (centres - self._corner[axis]) / self._pixel[axis]
        places = np.floor(at + _ROUNDING).astype(np.int64)
        # A centre on the grid's last edge is as near as can be to its last pixel.
        places[(places == edge) & (at <= edge + _ROUNDING)] = edge - 1
        return places[(places >= 0) & (places < edge)], int((places < 0).sum())


def _blocks(places: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Cut rising places where they pass from one block of the grid to the next."""
    cuts = np.flatnonzero(np.diff(places // _BLOCK)) + 1
    edges = [0, *cuts.tolist(), places.size]
    return (slice(*pair) for pair in itertools.pairwise(edges))


def _span(places: npt.NDArray[np.int64]) -> slice:
    return slice(int(places[0]), int(places[-1]) + 1)


def look_up(values: npt.NDArray[Any], table: LookupTable, where: Path) -> Labels:
    """Return the labels of an array of values.

    Parameters
    ----------
    values : ndarray
        uint8 or uint16 ``(H, W)``, see :func:`one_channel`.
    table : ndarray
        int16 ``(65536,)``, see :func:`make_lookup_table`.
    where : Path
        For errors.

    Returns
    -------
    ndarray
        uint8 ``(H, W)``.

    Raises
    ------
    AnnotationError
        If a value has no label.
    """
    labels: LookupTable = table[values]
    unknown = labels < 0
    if unknown.any():
        raise AnnotationError(
            f"the labels hold the value {values[unknown][0]}, which means no class",
            where,
            _list(np.flatnonzero(table >= 0)),
        )
    return labels.astype(np.uint8)


def _list(known: npt.NDArray[np.int64]) -> str:
    if not known.size:
        return "No value has a meaning; the class map should give some, 1=gland for instance."
    return f"Known values: {', '.join(map(str, known[:12]))}{', …' if known.size > 12 else ''}."


def one_channel(values: npt.NDArray[Any], where: Path) -> npt.NDArray[Any]:
    """Return integers of 8 or 16 bits, ``(H, W)``.

    Three equal channels count as one, alpha does not count, and True is 1.

    Parameters
    ----------
    values : ndarray
        ``(H, W)`` or ``(H, W, 1 to 4)``.
    where : Path
        For errors.

    Raises
    ------
    AnnotationError
        For colours, fractions and numbers outside 0 to 65535.
    """
    values = np.asarray(values)
    if values.ndim == 3 and values.shape[2] <= 4:
        colours = values[..., 1:3] if values.shape[2] > 2 else values[..., :0]
        if (colours != values[..., :1]).any():
            raise AnnotationError(
                "the labels are colours, not classes",
                where,
                "Save them as an index or palette picture.",
            )
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise AnnotationError(
            f"labels of {values.dtype} with {values.ndim} axes are not understood",
            where,
            "Save them as a picture of 8 or 16 bits.",
        )
    return _narrow(values, where)


def _narrow(values: npt.NDArray[Any], where: Path) -> npt.NDArray[Any]:
    if values.dtype in (np.uint8, np.uint16):
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    outside = (values < 0) | (values >= _VALUES)
    if outside.any():
        raise AnnotationError(
            f"the labels hold the value {values[outside][0]}, which means no class",
            where,
            "Values are 0 to 65535.",
        )
    return values.astype(np.uint16)

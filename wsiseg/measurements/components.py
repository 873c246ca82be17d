"""Measures the connected components of a mask, strip by strip, however large the mask.

What is kept in memory are sums for components that reach into the last row, and the first and last
pixel of each of their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.connecting import Connector, StripAreas
from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.annotations.rings import offsets
from wsiseg.measurements.hulls import count_convex_pixels
from wsiseg.measurements.perimeters import STEPS, PerimeterCounter

Whole = npt.NDArray[np.int64]
Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Connected components of a mask, in the order of their first pixels.

    Attributes
    ----------
    labels : ndarray
        uint8 ``(n,)``.
    firsts : ndarray
        int64 ``(n,)``: the place of the first pixel of each, row by row.
    pixels : ndarray
        int64 ``(n,)``.
    centroids : ndarray
        float64 ``(n, 2)``: y, x; the centre of the mask's first pixel is 0, 0.
    boxes : ndarray
        int64 ``(n, 4)``: first row and column, and those behind the last.
    perimeters : ndarray
        float64 ``(n,)``: in pixels; NaN if shapes are not measured.
    solidities : ndarray
        float64 ``(n,)``: pixels per pixel of the convex hull; NaN if shapes are not measured.
    means : ndarray
        float64 ``(n,)``: the mean of the values that were given with the pixels; NaN without.
    """

    labels: Labels
    firsts: Whole
    pixels: Whole
    centroids: Real
    boxes: Whole
    perimeters: Real
    solidities: Real
    means: Real

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Return the components of several strips, in order."""
        columns = [np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)]
        order = np.argsort(columns[1], kind="stable")
        return cls(*(column[order] for column in columns))


class ComponentMeasurer:
    """Measures the components of a mask that is given strip by strip.

    Pixels are connected by their sides, as in ``skimage.measure.label(connectivity=1)``, and all
    figures are those of :func:`skimage.measure.regionprops` on the whole mask.

    Parameters
    ----------
    width : int
        Pixels in a row.
    ignored : int
        The label of pixels that belong to no component.
    shapes : bool
        Whether perimeter and solidity are measured, which takes longer.

    Examples
    --------
    >>> measurer = ComponentMeasurer(3)
    >>> parts = [measurer.add(np.array([row], np.uint8)) for row in ([0, 0, 255], [0, 1, 1])]
    >>> found = Components.concatenate([*parts, measurer.finish()])
    >>> found.labels.tolist(), found.pixels.tolist(), found.centroids.tolist()
    ([0, 1], [3, 2], [[0.3333333333333333, 0.3333333333333333], [1.0, 1.5]])
    """

    def __init__(self, width: int, *, ignored: int = IGNORED, shapes: bool = True) -> None:
        self._width = width
        self._ignored = ignored
        self._connector = Connector(ignored)
        self._perimeters = PerimeterCounter(width, ignored) if shapes else None
        self._row = np.full(width + 2, ignored, np.uint8)
        self._top = 0
        self._open = _Sums.nothing(0)
        self._spans = _Spans.nothing()
        # The last row waits: whether a pixel is on a border depends on that below.
        self._held = np.empty((0, width), np.uint8)
        self._held_values: npt.NDArray[Any] | None = None

    def add(self, rows: Labels, values: npt.NDArray[Any] | None = None) -> Components:
        """Take the next rows.

        Parameters
        ----------
        rows : ndarray
            uint8 ``(n, width)``.
        values : ndarray, optional
            uint8 ``(n, width)``: values of which the mean is taken; with all rows or none.

        Returns
        -------
        Components
            Those that are complete by now.
        """
        rows = np.concatenate([self._held, rows])
        if values is not None:
            before = values[:0] if self._held_values is None else self._held_values
            values = np.concatenate([before, values])
            self._held_values = values[-1:].copy()
        self._held = rows[-1:].copy()
        return self._advance(rows[:-1], None if values is None else values[:-1], rows[-1])

    def finish(self) -> Components:
        """Return the components that are left, as there are no more rows."""
        nothing = np.full((1, self._width), self._ignored, np.uint8)
        last = self._advance(self._held, self._held_values, nothing[0])
        zeros = None if self._held_values is None else np.zeros((1, self._width), np.uint8)
        return Components.concatenate([last, self._advance(nothing, zeros, nothing[0])])

    def _advance(self, rows: Labels, values: npt.NDArray[Any] | None, below: Labels) -> Components:
        framed = np.pad(rows, ((1, 0), (1, 1)), constant_values=self._ignored)
        framed[0] = self._row
        areas = self._connector.add(framed)
        runs = _Runs.of(framed, areas, self._top, self._ignored)
        sums = _Sums.of(runs, len(areas.labels), self._width)
        sums.add(self._open, areas.of_open)
        spans = self._spans.owned_by(areas.of_open)
        if self._perimeters is not None:
            if len(rows):
                sums.steps[:] += self._perimeters.add(framed, below, areas)
            spans = _Spans.concatenate([spans, runs.spans()])
        if values is not None:
            sums.totals[:] += areas.sums(np.pad(values, ((1, 0), (1, 1))))
        else:
            sums.totals[:] = np.nan
        open_now = np.flatnonzero(areas.still_open >= 0)
        order = open_now[np.argsort(areas.still_open[open_now])]
        ended = (areas.still_open < 0) & (areas.labels != self._ignored)
        complete = spans.take(ended[spans.owner])
        kept = spans.take(~ended[spans.owner])
        self._row = framed[-1].copy()
        self._top += len(rows)
        self._open = sums.take(order)
        self._spans = kept.owned_by(areas.still_open)
        return self._complete(areas.labels, sums, np.flatnonzero(ended), complete)

    def _complete(self, labels: Labels, sums: _Sums, ended: Whole, spans: _Spans) -> Components:
        found = sums.take(ended)
        perimeters, solidities = np.full((2, len(ended)), np.nan)
        if self._perimeters is not None:
            perimeters = found.steps @ STEPS
            solidities = found.pixels / spans.count_convex_pixels(ended)
        return Components(
            labels[ended],
            found.firsts,
            found.pixels,
            found.places / found.pixels[:, None],
            found.boxes,
            perimeters,
            solidities,
            found.totals / found.pixels,
        )


@dataclass(frozen=True)
class _Runs:
    """Runs of equal pixels in the new rows of a strip, sorted by their areas.

    Attributes
    ----------
    owner, row, first, length : ndarray
        int64 ``(n,)`` each: the area, and place in the mask.
    begins : ndarray
        int64 ``(areas with runs,)``: the first run of each area.
    """

    owner: Whole
    row: Whole
    first: Whole
    length: Whole
    begins: Whole

    @classmethod
    def of(cls, framed: Labels, areas: StripAreas, top: int, ignored: int) -> Self:
        """Return the runs of a framed strip, whose row after the first is the mask's `top`."""
        width = framed.shape[1]
        lengths = np.diff(areas.run_starts, append=framed.size)
        new = areas.run_starts >= width
        runs = np.flatnonzero(new & (areas.labels[areas.of_run] != ignored))
        runs = runs[np.argsort(areas.of_run[runs], kind="stable")]
        owner = areas.of_run[runs].astype(np.int64)
        row, column = np.divmod(areas.run_starts[runs], width)
        begins = np.flatnonzero(np.diff(owner, prepend=-1))
        return cls(owner, row - 1 + top, column - 1, lengths[runs], begins)

    def spans(self) -> _Spans:
        """Return the first and the last pixel of each area in each row."""
        changes = (np.diff(self.owner, prepend=-1) != 0) | (np.diff(self.row, prepend=-1) != 0)
        begins = np.flatnonzero(changes)
        ends = np.append(begins[1:], len(self.owner))[: len(begins)] - 1
        last = self.first[ends] + self.length[ends] - 1
        return _Spans(self.owner[begins], self.row[begins], self.first[begins], last)


@dataclass(frozen=True)
class _Spans:
    """The first and the last pixel of areas in each of their rows.

    Attributes
    ----------
    owner, row, left, right : ndarray
        int64 ``(n,)`` each.
    """

    owner: Whole
    row: Whole
    left: Whole
    right: Whole

    @classmethod
    def nothing(cls) -> Self:
        """Return none."""
        return cls(*np.zeros((4, 0), np.int64))

    @classmethod
    def concatenate(cls, parts: Sequence[_Spans]) -> Self:
        """Return several together."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def take(self, chosen: npt.NDArray[Any]) -> _Spans:
        """Return some of them."""
        return _Spans(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def owned_by(self, numbers: npt.NDArray[Any]) -> _Spans:
        """Return them with other numbers of their areas."""
        return _Spans(numbers[self.owner].astype(np.int64), self.row, self.left, self.right)

    def count_convex_pixels(self, areas: Whole) -> Whole:
        """Return how many pixels lie in the convex hull of each of all areas that have spans."""
        order = np.argsort(self.owner, kind="stable")
        starts = offsets(np.bincount(np.searchsorted(areas, self.owner), minlength=len(areas)))
        return count_convex_pixels(self.row[order], self.left[order], self.right[order], starts)


@dataclass(frozen=True)
class _Sums:
    """Sums over the pixels of areas, in columns that can be added to.

    Attributes
    ----------
    firsts, pixels : ndarray
        int64 ``(n,)``.
    places : ndarray
        float64 ``(n, 2)``: sums of y and x, whole numbers.
    boxes : ndarray
        int64 ``(n, 4)``.
    steps : ndarray
        int64 ``(n, 3)``, see :class:`PerimeterCounter`.
    totals : ndarray
        float64 ``(n,)``.
    """

    firsts: Whole
    pixels: Whole
    places: Real
    boxes: Whole
    steps: Whole
    totals: Real

    @classmethod
    def nothing(cls, areas: int) -> Self:
        """Return the sums of areas without pixels."""
        far = np.iinfo(np.int64).max
        boxes = np.tile(np.array([far, far, 0, 0]), (areas, 1))
        return cls(
            np.full(areas, far),
            np.zeros(areas, np.int64),
            np.zeros((areas, 2)),
            boxes,
            np.zeros((areas, len(STEPS)), np.int64),
            np.zeros(areas),
        )

    @classmethod
    def of(cls, runs: _Runs, areas: int, width: int) -> Self:
        """Return the sums of runs, for all areas of a strip."""
        sums = cls.nothing(areas)
        if not len(runs.owner):
            return sums
        begins, behind = runs.begins, runs.first + runs.length
        found = runs.owner[begins]
        # Runs of an area are in the order of their places.
        last = np.append(begins[1:], len(runs.owner)) - 1
        sums.firsts[found] = runs.row[begins] * width + runs.first[begins]
        sums.pixels[found] = np.add.reduceat(runs.length, begins)
        sums.places[found, 0] = np.add.reduceat(runs.row * runs.length, begins)
        along = runs.length * runs.first + runs.length * (runs.length - 1) // 2
        sums.places[found, 1] = np.add.reduceat(along, begins)
        sums.boxes[found, 0] = runs.row[begins]
        sums.boxes[found, 1] = np.minimum.reduceat(runs.first, begins)
        sums.boxes[found, 2] = runs.row[last] + 1
        sums.boxes[found, 3] = np.maximum.reduceat(behind, begins)
        return sums

    def add(self, other: _Sums, numbers: npt.NDArray[Any]) -> None:
        """Add the sums of areas that belong to these, by their numbers."""
        np.minimum.at(self.firsts, numbers, other.firsts)
        np.minimum.at(self.boxes[:, :2], numbers, other.boxes[:, :2])
        np.maximum.at(self.boxes[:, 2:], numbers, other.boxes[:, 2:])
        for name in ("pixels", "places", "steps", "totals"):
            np.add.at(getattr(self, name), numbers, getattr(other, name))

    def take(self, chosen: Whole) -> _Sums:
        """Return those of some areas."""
        return _Sums(*(getattr(self, f.name)[chosen] for f in fields(self)))

"""Overlaps of shapes of different classes: which shape is painted over which, and how much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

_MOST_EFFORT = 5_000_000
"""About in microseconds."""

_PAIR, _CROSSING_PAIR, _CORNERS = 5, 40, 50
"""What a pair costs, one of which the borders cross, and how many of its corners cost one."""

_INSIDE = 0.9
"""Share of a shape from which on it lies inside another: edges are drawn by hand."""

_AT_ONCE, _PAIRS_AT_ONCE = 4096, 500_000
_SHOWN = 3

Shape = tuple[BaseGeometry, int]
"""A polygon in pixels of level 0, and its label."""

_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Overlaps:
    """Pairs of shapes of different labels that share area.

    Attributes
    ----------
    first, second : ndarray
        int64 ``(n,)``: indices of the shapes; the first before the second.
    areas : ndarray
        float64 ``(n,)``: shared area in pixels of level 0.
    complete : bool
        Whether these are all; the search stops if there are very many.
    """

    first: _Indices
    second: _Indices
    areas: npt.NDArray[np.float64]
    complete: bool


def find_overlaps(shapes: Sequence[Shape]) -> Overlaps:
    """Return the pairs of shapes of different labels that share area."""
    geometries = np.empty(len(shapes), object)
    geometries[:] = [geometry for geometry, _ in shapes]
    labels = np.array([label for _, label in shapes], np.int64)
    corners = shapely.get_num_coordinates(geometries)
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    effort, complete = 0, True
    for outer, inner in _neighbours(geometries, labels):
        covered, met = _compare(geometries, outer, inner)
        areas = np.where(covered, shapely.area(geometries[inner]), 0.0)
        cut = np.flatnonzero(met & ~covered)
        effort += _PAIR * len(outer) + _CROSSING_PAIR * len(cut)
        effort += int((corners[outer[cut]] + corners[inner[cut]]).sum()) // _CORNERS
        if effort > _MOST_EFFORT:
            complete = False
            break
        parts = shapely.intersection(geometries[outer[cut]], geometries[inner[cut]])
        areas[cut] = shapely.area(parts)
        shared = areas > 0
        pair = np.sort(np.stack([outer[shared], inner[shared]]), axis=0)
        found.append((pair[0], pair[1], areas[shared]))
    first, second, areas = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Overlaps(first, second, areas, complete)


def _neighbours(
    geometries: npt.NDArray[Any], labels: _Indices
) -> Iterator[tuple[_Indices, _Indices]]:
    """Yield pairs of a larger and a smaller shape, of different labels, whose boxes meet."""
    if len(set(labels.tolist())) < 2:
        return
    size = np.empty(len(geometries), np.int64)
    size[np.argsort(shapely.area(geometries), kind="stable")] = np.arange(len(geometries))
    tree = shapely.STRtree(geometries)
    step = max(1, min(_AT_ONCE, _PAIRS_AT_ONCE // len(geometries)))
    for start in range(0, len(geometries), step):
        asked = np.arange(start, min(start + step, len(geometries)))
        outer, inner = tree.query(geometries[asked])
        outer = asked[outer]
        fits = (labels[outer] != labels[inner]) & (size[outer] > size[inner])
        if fits.any():
            yield outer[fits], inner[fits]


def _compare(
    geometries: npt.NDArray[Any], outer: _Indices, inner: _Indices
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Tell which smaller shapes are covered by the larger ones, and which meet them at all."""
    # A large one is asked for all that lies near it.
    asked = geometries[np.unique(outer)]
    shapely.prepare(asked)
    met = shapely.intersects(geometries[outer], geometries[inner])
    covered = np.zeros(len(outer), bool)
    covered[met] = shapely.covers(geometries[outer[met]], geometries[inner[met]])
    shapely.destroy_prepared(asked)
    return covered, met


def painting_order(
    shapes: Sequence[Shape],
    overlaps: Overlaps,
    ranks: Mapping[int, int] | None = None,
    painted: Sequence[bool] = (),
) -> list[int]:
    """Return the order in which shapes are painted, so that none is hidden by one that encloses it.

    A shape inside a larger one of another label is painted over it, whichever was drawn first:
    programs show it so, and otherwise nothing would be left of it.  Of all others, the later is
    painted over the earlier.

    Parameters
    ----------
    shapes : sequence of Shape
        In the order in which they were drawn.
    overlaps : Overlaps
        Overlaps of these shapes.
    ranks : mapping of int to int, optional
        Rank of labels: higher ranks are painted over lower ones and over labels without a rank.
    painted : sequence of bool, optional
        Which shapes cover all shapes before them, even those that they enclose.

    Returns
    -------
    list of int
        Indices of the shapes.

    Examples
    --------
    >>> nucleus, gland = shapely.box(4, 4, 6, 6), shapely.box(0, 0, 9, 9)
    >>> shapes = [(nucleus, 1), (gland, 0)]
    >>> painting_order(shapes, find_overlaps(shapes))
    [1, 0]
    """
    areas = np.array([geometry.area for geometry, _ in shapes])
    first, second = areas[overlaps.first], areas[overlaps.second]
    # Only what comes later and encloses an earlier one stands in the wrong place.
    wrong = (first < second) & (overlaps.areas >= _INSIDE * first)
    if len(painted):
        wrong &= ~np.asarray(painted)[overlaps.second]
    around: dict[int, list[int]] = defaultdict(list)
    for one, other in zip(overlaps.first[wrong], overlaps.second[wrong], strict=True):
        around[int(one)].append(int(other))
    order: list[int] = []
    placed = np.zeros(len(shapes), bool)
    for start in range(len(shapes)):
        waiting = [start]
        while waiting:
            below = [other for other in around.pop(waiting[-1], ()) if not placed[other]]
            if below:
                waiting.extend(sorted(below, reverse=True))
                continue
            index = waiting.pop()
            if not placed[index]:
                placed[index] = True
                order.append(index)
    given = ranks or {}
    return sorted(order, key=lambda index: given.get(shapes[index][1], -1))


def describe_overlaps(
    shapes: Sequence[Shape], overlaps: Overlaps, order: Sequence[int], names: Mapping[int, str]
) -> Iterator[str]:
    """Yield a sentence that sums up the overlaps, if there are any.

    Parameters
    ----------
    shapes, overlaps
        See :func:`painting_order`.
    order : sequence of int
        From :func:`painting_order`.
    names : mapping of int to str
        Name of each label.
    """
    if not len(overlaps.areas):
        if not overlaps.complete:
            yield "shapes of different classes overlap, too many of them to be counted"
        return
    place = np.empty(len(shapes), np.int64)
    place[np.asarray(order)] = np.arange(len(shapes))
    labels = np.array([label for _, label in shapes])
    turned = place[overlaps.first] > place[overlaps.second]
    above = labels[np.where(turned, overlaps.first, overlaps.second)]
    below = labels[np.where(turned, overlaps.second, overlaps.first)]
    shared: dict[tuple[int, int], float] = defaultdict(float)
    for one, other, area in zip(above.tolist(), below.tolist(), overlaps.areas, strict=True):
        shared[one, other] += float(area)
    ranked = sorted(shared.items(), key=lambda item: -item[1])
    told = [
        f"{names[one]} lies over {names[other]} on {_count(area)} pixels"
        for (one, other), area in ranked[:_SHOWN]
    ]
    more = f", and {len(ranked) - _SHOWN} more pairs of classes" if len(ranked) > _SHOWN else ""
    least = "" if overlaps.complete else ", at least"
    yield f"shapes of different classes overlap: {', '.join(told)}{more}{least}"


def _count(area: float) -> str:
    return f"{area:,.0f}" if area >= 10 else f"{area:.2g}"

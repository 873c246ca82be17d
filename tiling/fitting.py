"""Boxes of a few shapes that cover blocks, so that as little as possible is computed.

A part of tissue is cut into strips, and each strip where it holds tissue into boxes.  Where to cut
is found by dynamic programming over the strips' borders, once with boxes of any shape.  Those
shapes are merged into a few, as each is compiled and holds memory, and the cuts are found anew for
the few.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsiseg.tiling.blocks import Blocks, Mask
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.covering import Cover

_UNIT = 96
"""Blocks smaller than this many pixels are taken several at a time."""

_LONGEST = 4096
"""Edge of a box in pixels, at most."""

_EFFORT, _PART_EFFORT = 400_000, 50
"""Steps in which shapes are improved, and those that each part takes whatever its size."""

Shape = tuple[int, int]
Prices = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """What boxes may be.

    Attributes
    ----------
    halo : int
        Margin of context around the blocks of a box, in pixels.
    multiple : int
        What sizes and positions of boxes are multiples of; block edges and halo are.
    largest : int
        Pixels of a box, at most.
    most_shapes : int
        Shapes of box, at most.
    shape_cost : int
        Pixels that it is worth computing to do with one shape less.
    affordable : callable
        Told shapes ``(height, width)`` in pixels, tells whether there is memory for all of them.
    """

    halo: int
    multiple: int
    largest: int
    most_shapes: int
    shape_cost: int
    affordable: Callable[[Sequence[Shape]], bool]


def fit_cover(blocks: Blocks, limits: Limits) -> Cover | None:
    """Cover blocks with boxes of a few shapes.

    Parameters
    ----------
    blocks : Blocks
        What to cover.
    limits : Limits
        What the boxes may be.

    Returns
    -------
    Cover or None
        None if there is no block, or no few shapes that can be afforded.
    """
    several = max(1, -(-_UNIT // blocks.grid.edge))
    unit = several * blocks.grid.edge
    wanted = _coarsened(blocks.wanted, several)
    cells = _Cells(blocks.grid.plane, unit, limits)
    parts = _separate(wanted, cells.most)
    free = cells.prices_of_any_shape()
    cuts = [part.cut(free) for part in parts]
    shapes = cells.agree(box.shape for boxes in cuts for box in boxes)
    if not shapes:
        return None
    shapes = cells.improve(shapes, parts)
    cores = _cut_apart(parts, cells.prices_of(shapes), wanted.shape)
    pairs = ((cells.box_around(core, shapes), cells.pixels_of(core)) for core in cores)
    return Cover.fitted(pairs, limits.halo)


def _coarsened(wanted: Mask, several: int) -> Mask:
    """Return which squares of several blocks hold one that is wanted."""
    rows, columns = (-(-length // several) for length in wanted.shape)
    padded = np.zeros((rows * several, columns * several), bool)
    padded[: wanted.shape[0], : wanted.shape[1]] = wanted
    return np.asarray(padded.reshape(rows, several, columns, several).any(axis=(1, 3)))


class _Cells:
    """What boxes cost, in a grid of cells of one edge."""

    def __init__(self, plane: Shape, edge: int, limits: Limits) -> None:
        self._plane = plane
        self._edge = edge
        self._limits = limits
        self.most = max(1, (_LONGEST - 2 * limits.halo) // edge)
        # No box is larger than the plane, up to the network's stride.
        multiple = limits.multiple
        self._bounds = tuple(-(-length // multiple) * multiple for length in plane)

    def _pixels(self, shape: Shape) -> Shape:
        """Return the ``(height, width)`` in pixels of a box around so many cells."""
        height, width = (
            min(bound, count * self._edge + 2 * self._limits.halo)
            for count, bound in zip(shape, self._bounds, strict=True)
        )
        return height, width

    def prices_of_any_shape(self) -> Prices:
        """Return the pixels of a box around ``[rows, columns]`` cells; infinite if too many."""
        counts = np.arange(self.most + 1)
        height, width = (
            np.minimum(bound, counts * self._edge + 2 * self._limits.halo) for bound in self._bounds
        )
        pixels = np.outer(height, width).astype(float)
        pixels[pixels > self._limits.largest] = np.inf
        # A single cell can always be covered, whatever memory says of its box later.
        pixels[1, 1] = height[1] * width[1]
        return pixels

    def prices_of(self, shapes: Sequence[Shape]) -> Prices:
        """Return the pixels of the smallest box of a few shapes that holds so many cells."""
        prices = np.full((self.most + 1, self.most + 1), np.inf)
        for rows, columns in shapes:
            height, width = self._pixels((rows, columns))
            held = prices[: rows + 1, : columns + 1]
            np.minimum(held, height * width, out=held)
        return prices

    def agree(self, wanted: Iterable[Shape]) -> list[Shape]:
        """Return a few shapes, in cells, in place of many; none if no few can be afforded.

        Two at a time are replaced by the smallest that holds both, those for which that costs
        least first.
        """
        uses = Counter(wanted)
        while len(uses) > 1:
            cost, one, other = self._cheapest_merger(uses)
            few = len(uses) <= self._limits.most_shapes and self._affords(uses)
            if few and cost > self._limits.shape_cost:
                break
            count = uses.pop(one) + uses.pop(other)
            uses[max(one[0], other[0]), max(one[1], other[1])] += count
        return list(uses) if self._affords(uses) else []

    def improve(self, shapes: list[Shape], parts: Sequence[_Part]) -> list[Shape]:
        """Return shapes that are one cell larger or smaller, as long as that costs less.

        The more there is to cut, the fewer are tried.
        """

        def price(tried: list[Shape]) -> float:
            prices = self.prices_of(tried)
            return sum(part.price(prices) for part in parts) + len(tried) * self._limits.shape_cost

        left = _EFFORT // sum(part.effort for part in parts)
        least, improved = price(shapes), True
        while improved:
            improved = False
            possible = filter(self._is_possible, _variations(shapes))
            for tried in itertools.islice(possible, left):
                left -= 1
                found = price(tried)
                if found < 0.999 * least:
                    shapes, least, improved = tried, found, True
                    break
        return shapes

    def _is_possible(self, shapes: list[Shape]) -> bool:
        fitting = all(0 < cells <= self.most for shape in shapes for cells in shape)
        return fitting and len(shapes) <= self._limits.most_shapes and self._affords(shapes)

    def _cheapest_merger(self, uses: Mapping[Shape, int]) -> tuple[int, Shape, Shape]:
        """Return the pixels that are computed in addition, and the two shapes to merge."""
        shapes, counts = list(uses), np.array(list(uses.values()))
        heights, widths = (
            np.maximum.outer(lengths, lengths)
            for lengths in np.array([self._pixels(shape) for shape in shapes]).T
        )
        joined = heights * widths
        extra = counts[:, None] * (joined - joined.diagonal()[:, None])
        extra += extra.T
        np.fill_diagonal(extra, np.iinfo(extra.dtype).max)
        one, other = divmod(int(extra.argmin()), len(shapes))
        return int(extra[one, other]), shapes[one], shapes[other]

    def _affords(self, shapes: Iterable[Shape]) -> bool:
        return self._limits.affordable([self._pixels(shape) for shape in shapes])

    def pixels_of(self, box: Box) -> Box:
        """Return the pixels of a box of cells, as far as they lie in the plane."""
        edge = self._edge
        core = Box(box.y * edge, box.x * edge, box.height * edge, box.width * edge)
        return core.intersection(Box(0, 0, *self._plane))

    def box_around(self, box: Box, shapes: Sequence[Shape]) -> Box:
        """Return the smallest box of a few shapes that holds a box of cells with its halo."""
        holding = (s for s in shapes if s[0] >= box.height and s[1] >= box.width)
        height, width = min(map(self._pixels, holding), key=lambda shape: shape[0] * shape[1])
        y, x = (
            min(max(0, first * self._edge - self._limits.halo), bound - length)
            for first, bound, length in zip(
                (box.y, box.x), self._bounds, (height, width), strict=True
            )
        )
        return Box(y, x, height, width)


class _Part:
    """Cells that are covered by themselves.

    Parameters
    ----------
    wanted : ndarray
        bool ``(rows, columns)``.
    y, x : int
        Where it lies.
    widest : int
        Cells across a strip, at most.

    Attributes
    ----------
    effort : int
        What it takes to find its best cut, in steps.
    """

    def __init__(self, wanted: Mask, y: int, x: int, widest: int) -> None:
        self.effort = sum(wanted.shape) + _PART_EFFORT
        self.wanted = wanted
        self.widest = widest
        self.y, self.x = y, x
        self._upright = _Strips(wanted, widest)
        self._lying = _Strips(wanted.T, widest)

    @classmethod
    def of_several(cls, parts: Sequence[_Part]) -> _Part:
        """Return one part that holds several."""
        if len(parts) == 1:
            return parts[0]
        top, left = min(part.y for part in parts), min(part.x for part in parts)
        bottom = max(part.y + part.wanted.shape[0] for part in parts)
        right = max(part.x + part.wanted.shape[1] for part in parts)
        wanted = np.zeros((bottom - top, right - left), bool)
        for part in parts:
            rows, columns = part.wanted.shape
            y, x = part.y - top, part.x - left
            wanted[y : y + rows, x : x + columns] |= part.wanted
        return cls(wanted, top, left, parts[0].widest)

    def cut(self, prices: Prices) -> list[Box]:
        """Return boxes of cells that cover the part, those in strips of the cheaper direction."""
        if self._upright.price(prices) <= self._lying.price(prices.T):
            boxes = self._upright.cut(prices)
        else:
            boxes = [(y, x, h, w) for x, y, w, h in self._lying.cut(prices.T)]
        return [Box(self.y + y, self.x + x, h, w) for y, x, h, w in boxes]

    def price(self, prices: Prices) -> float:
        """Return the pixels of these boxes."""
        return min(self._upright.price(prices), self._lying.price(prices.T))


class _Strips:
    """Cuts cells into upright strips and these into boxes, so that their price is least."""

    def __init__(self, wanted: Mask, widest: int) -> None:
        self._height, self._columns = wanted.shape
        self._widest = min(widest, self._columns)
        met = np.zeros((self._columns, self._height + 2), bool)
        runs, owners = [], []
        # Strips of one more column at a time, in one array for all places where they may end.
        for width in range(1, self._widest + 1):
            met[width - 1 :, 1:-1] |= wanted.T[: self._columns - width + 1]
            last, turns = np.nonzero(met[width - 1 :, 1:] != met[width - 1 :, :-1])
            runs.append(turns.reshape(-1, 2))
            owners.append((last[::2] + width - 1) * self._widest + width - 1)
        self._runs, self._owners = np.concatenate(runs), np.concatenate(owners)
        self._lengths = np.diff(self._runs).ravel()

    def price(self, prices: Prices) -> float:
        """Return what the boxes of the best cut cost."""
        return float(self._least(prices)[0][-1])

    def _least(self, prices: Prices) -> tuple[Prices, npt.NDArray[np.int64]]:
        """Return the least price up to each column, and how wide the last strip before it is."""
        totals, _ = _prices_of_runs(prices, self._height)
        each = totals[self._lengths, self._owners % self._widest + 1]
        size = self._columns * self._widest
        strips = np.bincount(self._owners, each, size).reshape(self._columns, self._widest)
        least, widths = np.zeros(self._columns + 1), np.ones(self._columns + 1, np.int64)
        for end in range(1, self._columns + 1):
            most = min(end, self._widest)
            # Of the narrowest strip first, as before the end.
            sums = strips[end - 1, :most] + least[end - most : end][::-1]
            widths[end] = int(sums.argmin()) + 1
            least[end] = sums[widths[end] - 1]
        return least, widths

    def cut(self, prices: Prices) -> list[tuple[int, int, int, int]]:
        """Return ``(y, x, height, width)`` of the boxes of the best cut."""
        _, pieces = _prices_of_runs(prices, self._height)
        _, widths = self._least(prices)
        boxes = []
        end = self._columns
        while end > 0:
            width = int(widths[end])
            for top, bottom in self._runs[self._owners == (end - 1) * self._widest + width - 1]:
                count = int(pieces[bottom - top, width])
                cuts = [int(top + (bottom - top) * k // count) for k in range(count + 1)]
                boxes += [(a, end - width, b - a, width) for a, b in itertools.pairwise(cuts)]
            end -= width
        return boxes


def _variations(shapes: list[Shape]) -> Iterator[list[Shape]]:
    for index, (rows, columns) in enumerate(shapes):
        others = shapes[:index] + shapes[index + 1 :]
        if others:
            yield others
        for down, across in ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, 1), (1, -1)):
            changed = rows + down, columns + across
            yield [*others, changed]
            yield [*shapes, changed]


def _prices_of_runs(prices: Prices, longest: int) -> tuple[Prices, npt.NDArray[np.int64]]:
    """Return the least price of runs ``[length, width]``, and in how many pieces they are cut."""
    lengths = np.arange(longest + 1)
    totals = np.full((longest + 1, prices.shape[1]), np.inf)
    pieces = np.ones(totals.shape, np.int64)
    tallest = int(np.flatnonzero(np.isfinite(prices).any(axis=1)).max())
    # More pieces than twice those needed are never cheaper.
    for count in range(1, 2 * -(-longest // max(1, tallest)) + 1):
        height = -(-lengths // count)
        found = np.full(totals.shape, np.inf)
        fitting = height < len(prices)
        found[fitting] = count * prices[height[fitting]]
        better = found < totals
        totals[better], pieces[better] = found[better], count
    return totals, pieces


def _separate(wanted: Mask, widest: int) -> list[_Part]:
    """Return the parts of cells that are so far apart that none shares a box with another."""
    # It takes a while to import, and find_tissue has done so already.
    from scipy import ndimage

    near = ndimage.binary_dilation(wanted, np.ones((3, 3)))
    labels, _ = ndimage.label(near, structure=np.ones((3, 3)))
    labels = np.where(wanted, labels, 0)
    return [
        _Part(labels[rows, columns] == number, rows.start, columns.start, widest)
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1)
    ]


def _cut_apart(parts: list[_Part], prices: Prices, shape: Shape) -> list[Box]:
    """Return boxes of cells that cover all parts and do not overlap.

    Parts whose boxes would overlap are cut as one.
    """
    while True:
        cuts = [part.cut(prices) for part in parts]
        owner = np.full(shape, -1)
        clashes = np.eye(len(parts), dtype=bool)
        for number, box in ((n, box) for n, boxes in enumerate(cuts) for box in boxes):
            taken = owner[box.y : box.bottom, box.x : box.right]
            clashes[number, taken[taken >= 0]] = True
            taken[...] = number
        if clashes.sum() == len(parts):
            return [box for boxes in cuts for box in boxes]
        # Few slides need it, and it takes a while to import.
        from scipy.sparse.csgraph import connected_components

        count, groups = connected_components(clashes, directed=False)
        grouped = [[p for p, g in zip(parts, groups, strict=True) if g == n] for n in range(count)]
        parts = [_Part.of_several(group) for group in grouped]

"""Stitching: from predicted tiles back to the plane, one band of finished rows at a time.

Only rows that a later tile can still change are held in memory, in a ring buffer.  Bands begin at
multiples of the band height, as the shards of a mask do, and are yielded from top to bottom; within
a band, tiles may arrive in any order.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from wsiseg.errors import ArgumentError
from wsiseg.tiling.bands import NO_LABEL, Band, Bytes, Prediction, blank_pixels
from wsiseg.tiling.blending import MOST_OVERLAPPING, Blend, Weights, tile_weights
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile
from wsiseg.tiling.row_ring import RowRing
from wsiseg.tiling.uncertainty import Uncertainty, measure_uncertainty

_STRIP = 64
"""Rows that are finished at a time, so that temporary arrays stay in the CPU's cache."""


class Stitcher(ABC):
    """Merges predicted tiles and yields finished bands.

    Parameters
    ----------
    window : Box
        The part of the plane to fill; its first row is a multiple of `band_height`.
    tiles : iterable of Tile
        All that will be added; rows that none of them touches get no label.
    band_height : int
        Rows of a band, the last one excepted.
    kept : int or None
        Number of classes whose probabilities are given as well; None for none.
    uncertainty : {"entropy", "margin"} or None
        The measure of uncertainty that is given as well, if any.

    Attributes
    ----------
    without_numbers : int
        Pixels of the window for which the network gave no numbers so far; they get no label.
    """

    def __init__(
        self,
        window: Box,
        tiles: Iterable[Tile],
        band_height: int,
        kept: int | None,
        uncertainty: Uncertainty | None = None,
    ) -> None:
        self.without_numbers = 0
        self._window = window
        self._band_height = band_height
        self._kept = kept
        self._measure = uncertainty
        self._rings: list[RowRing] = []
        reaches = [self._reach(tile) for tile in tiles]
        self._pending = Counter(reach.y for reach in reaches)
        self._top = self._touched = window.y
        tallest = max((reach.height for reach in reaches), default=0)
        self._open_height = max(1, min(window.height, tallest + band_height))

    def add(self, tile: Tile, prediction: Prediction | None) -> Iterator[Band]:
        """Merge one tile and return the bands that it finishes.

        Bands are made one by one as they are taken from the iterator; those that are not taken come
        with the next tile.

        Parameters
        ----------
        tile : Tile
            One of those given to the constructor; each is added once.
        prediction : Prediction or None
            None for an unreadable tile.  What such a tile covers gets no label, even where a
            neighbour covers it too, as the neighbour alone would give another label than both
            together.  The same holds for single pixels without numbers.

        Returns
        -------
        iterator of Band
            From top to bottom.
        """
        # Finished rows leave first, or the ring would span those above the first tissue.
        before = list(self.finished())
        reach = self._reach(tile)
        place = reach.intersection(self._window)
        self._touched = max(self._touched, place.bottom)
        for ring in self._rings:
            ring.reach(place.bottom)
        if prediction is None:
            self._lose(place)
        else:
            self._merge(tile, prediction)
        self._pending[reach.y] -= 1
        if not self._pending[reach.y]:
            del self._pending[reach.y]
        return itertools.chain(before, self.finished())

    def finished(self) -> Iterator[Band]:
        """Yield the bands above the first row that a missing tile could still change."""
        open_row = min(self._pending, default=self._window.bottom)
        while self._top < self._window.bottom:
            height = min(self._band_height, self._window.bottom - self._top)
            if self._top + height > open_row:
                return
            yield self._take(height)

    def _open_rows(self, planes: int, dtype: npt.DTypeLike, empty: int) -> RowRing:
        self._rings.append(RowRing(planes, self._window, self._open_height, dtype, empty))
        return self._rings[-1]

    def _take(self, height: int) -> Band:
        box = Box(self._top, self._window.x, height, self._window.width)
        self._top += height
        if box.y < self._touched:
            return self._pop(box)
        for ring in self._rings:
            ring.pass_over(box)
        return Band.empty(box, self._kept, uncertainty=self._measure is not None)

    @abstractmethod
    def _reach(self, tile: Tile) -> Box:
        """Return the part of the plane that a tile writes to."""

    @abstractmethod
    def _merge(self, tile: Tile, prediction: Prediction) -> None:
        """Put a tile into the open rows."""

    @abstractmethod
    def _lose(self, place: Box) -> None:
        """Leave a part of the window without labels."""

    @abstractmethod
    def _pop(self, box: Box) -> Band:
        """Take the topmost open rows out."""


class CropStitcher(Stitcher):
    """Each pixel from the one tile whose core it lies in; halos are thrown away."""

    def __init__(
        self,
        window: Box,
        tiles: Iterable[Tile],
        band_height: int,
        classes: int | None = None,
        uncertainty: Uncertainty | None = None,
    ) -> None:
        super().__init__(window, tiles, band_height, classes, uncertainty)
        self._labels = self._open_rows(1, np.uint8, NO_LABEL)
        self._probabilities = None if classes is None else self._open_rows(classes, np.uint8, 0)
        self._uncertainty = None if uncertainty is None else self._open_rows(1, np.uint8, 0)

    def _reach(self, tile: Tile) -> Box:
        return tile.core

    def _merge(self, tile: Tile, prediction: Prediction) -> None:
        place = tile.core.intersection(self._window)
        rows, columns = place.slices_in(tile.box)
        assert prediction.labels is not None
        labels = prediction.labels[None, rows, columns]
        self.without_numbers += int(np.count_nonzero(labels == NO_LABEL))
        self._labels.put(place, labels)
        if self._probabilities is not None:
            assert prediction.probabilities is not None
            self._probabilities.put(place, prediction.probabilities[:, rows, columns])
        if self._uncertainty is not None and self._measure is not None:
            assert prediction.probabilities is not None
            for top in range(place.y, place.bottom, _STRIP):
                strip = Box(top, place.x, min(_STRIP, place.bottom - top), place.width)
                rows, columns = strip.slices_in(tile.box)
                planes = prediction.probabilities[:, rows, columns]
                self._uncertainty.put(strip, measure_uncertainty(self._measure, planes)[None])

    def _lose(self, place: Box) -> None:
        """Do nothing: cores do not overlap, so no other tile fills it."""

    def _pop(self, box: Box) -> Band:
        probabilities = None if self._probabilities is None else self._probabilities.take(box)
        uncertainty = None if self._uncertainty is None else self._uncertainty.take(box)[0]
        return Band(box, self._labels.take(box)[0], probabilities, uncertainty=uncertainty)


class BlendStitcher(Stitcher):
    """Each pixel the weighted mean of all tiles that cover it."""

    def __init__(
        self,
        window: Box,
        tiles: Iterable[Tile],
        band_height: int,
        classes: int,
        weights: Mapping[tuple[int, int], Weights],
        *,
        keep_probabilities: bool = False,
        uncertainty: Uncertainty | None = None,
    ) -> None:
        kept = classes if keep_probabilities else None
        super().__init__(window, tiles, band_height, kept, uncertainty)
        self._weights = weights
        self._sums = self._open_rows(classes, np.uint32, 0)
        self._shares = self._open_rows(1, np.uint32, 0)
        self._lost = self._open_rows(1, np.bool_, 0)

    def _reach(self, tile: Tile) -> Box:
        return tile.box

    def _merge(self, tile: Tile, prediction: Prediction) -> None:
        place = tile.box.intersection(self._window)
        rows, columns = place.slices_in(tile.box)
        weights = self._weights[tile.box.shape][rows, columns]
        assert prediction.probabilities is not None
        probabilities = prediction.probabilities[:, rows, columns]
        for part, sums in self._sums.views(place):
            for index, plane in enumerate(probabilities):
                sums[index] += weights[part] * plane[part]
        for part, shares in self._shares.views(place):
            shares[0] += weights[part]
        blank = blank_pixels(probabilities)
        if blank.any():
            for part, lost in self._lost.views(place):
                self.without_numbers += int(np.count_nonzero(blank[part] & ~lost[0]))
                lost[0] |= blank[part]

    def _lose(self, place: Box) -> None:
        for _, lost in self._lost.views(place):
            lost[...] = True

    def _pop(self, box: Box) -> Band:
        labels = np.empty(box.shape, np.uint8)
        probabilities = None if self._kept is None else np.empty((self._kept, *box.shape), np.uint8)
        uncertainty = None if self._measure is None else np.empty(box.shape, np.uint8)
        for top in range(box.y, box.bottom, _STRIP):
            strip = Box(top, box.x, min(_STRIP, box.bottom - top), box.width)
            views = (ring.views(strip) for ring in (self._sums, self._shares, self._lost))
            for (part, sums), (_, shares), (_, lost) in zip(*views, strict=True):
                rows = slice(part.start + top - box.y, part.stop + top - box.y)
                sums[:, lost[0]] = 0
                labels[rows] = _first_largest(sums)
                # No tile, one whose network gave no numbers, or one that could not be read.
                labels[rows][blank_pixels(sums)] = NO_LABEL
                if probabilities is not None:
                    probabilities[:, rows] = _weighted_mean(sums, shares[0])
                if uncertainty is not None and self._measure is not None:
                    uncertainty[rows] = measure_uncertainty(self._measure, sums, 255 * shares[0])
        for ring in self._rings:
            ring.drop(box)
        return Band(box, labels, probabilities, uncertainty=uncertainty)


def make_stitcher(
    blend: Blend,
    window: Box,
    tiles: list[Tile],
    band_height: int,
    classes: int,
    *,
    keep_probabilities: bool = False,
    uncertainty: Uncertainty | None = None,
) -> Stitcher:
    """Return the stitcher for a way of blending.

    Parameters
    ----------
    blend : {"crop", "gaussian", "cosine"}
        How overlaps are merged: the halo is cropped, or a weighted mean is taken.
    window : Box
        The part of the plane to fill.
    tiles : list of Tile
        All that will be added.
    band_height : int
        Rows of a band.
    classes : int
        Number of classes.
    keep_probabilities : bool
        Also give the merged probabilities.
    uncertainty : {"entropy", "margin"}, optional
        Also give how uncertain the merged probabilities are, see
        :func:`wsiseg.tiling.uncertainty.measure_uncertainty`.

    Returns
    -------
    Stitcher
        Takes tiles by :meth:`Stitcher.add`.

    Raises
    ------
    ArgumentError
        If so many tiles overlap that sums could overflow.

    Examples
    --------
    Two tiles of a plane of 8×16 pixels, all of class 1, become one band:

    >>> import numpy as np
    >>> from wsiseg.tiling.boxes import Box
    >>> from wsiseg.tiling.grid import TileGrid
    >>> grid = TileGrid(plane=(8, 16), tile=(8, 12), halo=2, multiple=2)
    >>> stitcher = make_stitcher("crop", Box(0, 0, 8, 16), list(grid), band_height=8, classes=2)
    >>> bands = []
    >>> for tile in grid:
    ...     bands += stitcher.add(tile, Prediction(np.ones(tile.box.shape, np.uint8)))
    >>> [(band.box, bool((band.labels == 1).all())) for band in bands]
    [(Box(y=0, x=0, height=8, width=16), True)]
    """
    if blend == "crop":
        kept = classes if keep_probabilities else None
        return CropStitcher(window, tiles, band_height, kept, uncertainty)
    if tiles and _most_overlapping(tiles) > MOST_OVERLAPPING:
        raise ArgumentError(
            f"more than {MOST_OVERLAPPING} tiles would lie over one pixel",
            None,
            "Use a smaller `halo` or a larger `tile`.",
        )
    shapes = {tile.box.shape for tile in tiles}
    return BlendStitcher(
        window,
        tiles,
        band_height,
        classes,
        {shape: tile_weights(blend, shape) for shape in shapes},
        keep_probabilities=keep_probabilities,
        uncertainty=uncertainty,
    )


def _most_overlapping(tiles: list[Tile]) -> int:
    """Return how many tiles lie over one pixel, at most."""
    edges = np.array([(t.box.y, t.box.bottom, t.box.x, t.box.right) for t in tiles])
    rows, columns = np.unique(edges[:, :2]), np.unique(edges[:, 2:])
    top, bottom = np.searchsorted(rows, edges[:, :2]).T
    left, right = np.searchsorted(columns, edges[:, 2:]).T
    # Each corner of a tile begins or ends it; the sums over rows and columns count the tiles.
    turns = np.zeros((len(rows), len(columns)), np.int32)
    for y, x, change in ((top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1)):
        np.add.at(turns, (y, x), change)
    return int(turns.cumsum(axis=0).cumsum(axis=1).max())


def _first_largest(planes: npt.NDArray[np.uint32]) -> Bytes:
    """Return the index of the largest plane in each pixel, the first where several are.

    Plane by plane it is five times as fast as ``argmax(axis=0)``.
    """
    labels = np.zeros(planes.shape[1:], np.uint8)
    best = planes[0].copy()
    for index, plane in enumerate(planes[1:], 1):
        labels[plane > best] = index
        np.maximum(best, plane, out=best)
    return labels


def _weighted_mean(sums: npt.NDArray[np.uint32], shares: npt.NDArray[np.uint32]) -> Bytes:
    divisor = np.maximum(shares, 1)
    means = np.empty(sums.shape, np.uint8)
    for mean, plane in zip(means, sums, strict=True):
        mean[...] = (plane + divisor // 2) // divisor
    return means

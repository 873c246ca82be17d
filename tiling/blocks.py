"""What of a plane is analysed, in square blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from wsiseg.tiling.boxes import Box

Mask = npt.NDArray[np.bool_]
Edges = npt.NDArray[np.int64]


@dataclass(frozen=True)
class BlockGrid:
    """Square blocks over a plane, from its upper left corner on.

    Attributes
    ----------
    plane : tuple of int
        ``(height, width)`` of the plane in working pixels.
    edge : int
        Of a block, in working pixels; the last ones may reach over the plane's edge.

    Examples
    --------
    >>> BlockGrid((300, 500), 128).shape
    (3, 4)
    """

    plane: tuple[int, int]
    edge: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return -(-self.plane[0] // self.edge), -(-self.plane[1] // self.edge)

    def edges(self, axis: int) -> Edges:
        """Return where the blocks of an axis begin, and where the last one ends, int64."""
        starts = np.arange(self.shape[axis] + 1, dtype=np.int64) * self.edge
        return np.minimum(starts, self.plane[axis])


@dataclass(frozen=True)
class Blocks:
    """The blocks of a plane that are analysed; the rest of it is not, whatever the tiles.

    Attributes
    ----------
    grid : BlockGrid
        Over the plane.
    wanted : ndarray
        bool ``(rows, columns)``: the blocks to analyse.
    """

    grid: BlockGrid
    wanted: Mask

    @classmethod
    def everywhere(cls, grid: BlockGrid) -> Self:
        """Return all blocks of a plane."""
        return cls(grid, np.ones(grid.shape, bool))

    @cached_property
    def are_all(self) -> bool:
        """Whether nothing of the plane is left out."""
        return bool(self.wanted.all())

    @cached_property
    def area(self) -> int:
        """Working pixels in them."""
        heights, widths = (np.diff(self.grid.edges(axis)) for axis in (0, 1))
        return int(heights @ self.wanted @ widths)

    def met_by(self, rows: Edges, columns: Edges) -> Mask:
        """Tell which cells of a grid of cells meet a block.

        Parameters
        ----------
        rows, columns : ndarray
            int64: where the cells of each axis begin, and where the last one ends, in working
            pixels.

        Returns
        -------
        ndarray
            bool ``(len(rows) - 1, len(columns) - 1)``.
        """
        sums = np.zeros(np.add(self.wanted.shape, 1), np.int64)
        np.cumsum(np.cumsum(self.wanted, axis=0), axis=1, out=sums[1:, 1:])
        top, left = (edges[:-1] // self.grid.edge for edges in (rows, columns))
        bottom, right = (-(-edges[1:] // self.grid.edge) for edges in (rows, columns))
        inside = sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)]
        counts = inside - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)]
        return np.asarray(counts > 0)

    def gaps(self, box: Box) -> Iterator[Box]:
        """Yield the parts of a box of working pixels that are not analysed; they do not overlap."""
        edge = self.grid.edge
        for row in range(box.y // edge, -(-box.bottom // edge)):
            first, last = box.x // edge, -(-box.right // edge)
            left_out = np.concatenate([[False], ~self.wanted[row, first:last], [False]])
            turns = np.flatnonzero(left_out[1:] != left_out[:-1]) + first
            for start, end in turns.reshape(-1, 2).tolist():
                gap = Box(row * edge, start * edge, edge, (end - start) * edge)
                yield gap.intersection(box)

    def digest(self) -> str | None:
        """Return a SHA-256 of them, or None if they are all."""
        if self.are_all:
            return None
        packed = np.packbits(self.wanted).tobytes()
        return hashlib.sha256(repr(self.grid).encode() + packed).hexdigest()

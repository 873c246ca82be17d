"""A cover: the tiles whose cores hold all that is analysed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from wsiseg.tiling.blocks import Blocks
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile, TileGrid


@dataclass(frozen=True)
class Cover:
    """Tiles whose cores, which do not overlap, hold all blocks that are analysed.

    Attributes
    ----------
    tiles : tuple of Tile
        From top to bottom, and from left to right where several begin in a row.
    halo : int
        Margin of context on every inner side of a core, in working pixels.
    grid : TileGrid or None
        The grid that they are of; None if they are fitted to what is analysed.
    """

    tiles: tuple[Tile, ...]
    halo: int
    grid: TileGrid | None = None

    @classmethod
    def of_grid(cls, grid: TileGrid, blocks: Blocks) -> Self:
        """Return the tiles of a grid whose cores meet a block.

        Parameters
        ----------
        grid : TileGrid
            Over the whole plane.
        blocks : Blocks
            What is analysed.
        """
        met = blocks.met_by(np.array(grid.row_cuts), np.array(grid.column_cuts))
        wanted = (grid[int(index)] for index in np.flatnonzero(met))
        return cls(_numbered((t.box, t.core) for t in wanted), grid.halo, grid)

    @classmethod
    def fitted(cls, pairs: Iterable[tuple[Box, Box]], halo: int) -> Self:
        """Return a cover of boxes that were fitted.

        Parameters
        ----------
        pairs : iterable of tuple of Box
            Each tile's box and core, in any order.
        halo : int
            Margin of context around a core.
        """
        ordered = sorted(pairs, key=lambda pair: (pair[1].y, pair[1].x))
        return cls(_numbered(ordered), halo)

    @cached_property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The ``(height, width)`` that tiles have, the largest first."""
        found = {tile.box.shape for tile in self.tiles}
        return tuple(sorted(found, key=lambda shape: (-shape[0] * shape[1], shape)))

    @property
    def pixels(self) -> int:
        """Working pixels in all tiles, halos included."""
        return sum(tile.box.area for tile in self.tiles)

    @property
    def overlap_share(self) -> float:
        """Share of the tiles' pixels that lie outside their cores."""
        return 1 - sum(tile.core.area for tile in self.tiles) / max(1, self.pixels)

    def digest(self) -> str:
        """Return a SHA-256 of where the tiles and their cores lie."""
        boxes = ((tile.box, tile.core) for tile in self.tiles)
        return hashlib.sha256(repr(list(boxes)).encode()).hexdigest()

    def reaching(self, window: Box, *, whole: bool) -> list[Tile]:
        """Return the tiles that can change a window.

        Parameters
        ----------
        window : Box
            A part of the plane.
        whole : bool
            Count a tile's halo too, as blending does.
        """
        return [t for t in self.tiles if (t.box if whole else t.core).intersection(window).area]


def _numbered(pairs: Iterable[tuple[Box, Box]]) -> tuple[Tile, ...]:
    return tuple(Tile(index, box, core) for index, (box, core) in enumerate(pairs))

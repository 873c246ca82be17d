"""One global grid of equal, overlapping tiles over the working plane."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from wsiseg.errors import ArgumentError
from wsiseg.tiling.boxes import Box


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: what goes through the network at once.

    Attributes
    ----------
    index : int
        Its place in the order in which tiles are done.
    box : Box
        What it covers, halo included; may reach over the plane's bottom and right edge by less
        than the network's input multiple.
    core : Box
        What it alone is responsible for when halos are cropped; all cores partition the plane.
    """

    index: int
    box: Box
    core: Box


@dataclass(frozen=True)
class TileGrid:
    """Equal tiles, evenly spread, so that each pixel lies at least a halo inside some tile.

    The first tile of an axis begins at the plane's edge and the last one ends at the other, so
    a network sees the edge of the slide as it does when it is given the whole slide, and no
    context is computed beyond it.  All positions are multiples of `multiple`, which keeps the
    strides of the network aligned from tile to tile.  Therefore a network whose receptive field is
    no larger than the halo gives in every pixel what it gives for the whole plane at once.

    Parameters
    ----------
    plane : tuple of int
        ``(height, width)`` of the working plane.
    tile : tuple of int
        ``(height, width)`` of a tile; see :meth:`fitting`.
    halo : int
        Margin of context on every inner side, in working pixels.
    multiple : int
        What tile sizes and positions are multiples of.

    Raises
    ------
    ArgumentError
        If a size is no multiple of `multiple`, or a tile is nothing but halo.

    Examples
    --------
    >>> grid = TileGrid(plane=(100, 200), tile=(104, 104), halo=8, multiple=8)
    >>> len(grid), grid.columns
    (3, (0, 48, 96))
    >>> grid[1].box, grid[1].core
    (Box(y=0, x=48, height=104, width=104), Box(y=0, x=76, height=100, width=48))
    """

    plane: tuple[int, int]
    tile: tuple[int, int]
    halo: int
    multiple: int

    def __post_init__(self) -> None:
        for length, tile in zip(self.plane, self.tile, strict=True):
            if tile % self.multiple or self.halo % self.multiple:
                raise ArgumentError(
                    f"tile {tile} and halo {self.halo} must be multiples of {self.multiple}"
                )
            if tile < length and tile <= 2 * self.halo:
                raise ArgumentError(
                    f"a tile of {tile} pixels has nothing left inside a halo of {self.halo}",
                    None,
                    "Use a larger `tile` or a smaller `halo`.",
                )

    @classmethod
    def fitting(
        cls, plane: tuple[int, int], largest: int, halo: int, multiple: int, *, shrink: bool
    ) -> TileGrid:
        """Lay a grid of tiles no larger than `largest`, and no larger than the plane needs.

        Parameters
        ----------
        plane : tuple of int
            ``(height, width)`` of the working plane.
        largest : int
            Upper bound of a tile's edge; rounded up to `multiple`.
        halo : int
            Rounded up to `multiple`.
        multiple : int
            The network's input multiple.
        shrink : bool
            Make tiles as small as the number of them allows, which computes less twice.
        """
        halo = _round_up(halo, multiple)
        largest = _round_up(largest, multiple)
        edges = []
        for length in plane:
            edge = min(largest, _round_up(length, multiple))
            if shrink and edge < length and edge > 2 * halo:
                count = _count(length, edge, halo, multiple)
                edge = _round_up(-(-(length + 2 * halo * (count - 1)) // count), multiple)
            edges.append(edge)
        return cls(plane, (edges[0], edges[1]), halo, multiple)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """First rows of the tiles."""
        return _starts(self.plane[0], self.tile[0], self.halo, self.multiple)

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """First columns of the tiles."""
        return _starts(self.plane[1], self.tile[1], self.halo, self.multiple)

    @cached_property
    def row_cuts(self) -> tuple[int, ...]:
        """First rows of the cores, and the plane's height."""
        return _cuts(self.rows, self.tile[0], self.plane[0])

    @cached_property
    def column_cuts(self) -> tuple[int, ...]:
        """First columns of the cores, and the plane's width."""
        return _cuts(self.columns, self.tile[1], self.plane[1])

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __getitem__(self, index: int) -> Tile:
        if not 0 <= index < len(self):
            msg = f"tile {index} of {len(self)}"
            raise IndexError(msg)
        row, column = divmod(index, len(self.columns))
        y, x = self.row_cuts[row], self.column_cuts[column]
        core = Box(y, x, self.row_cuts[row + 1] - y, self.column_cuts[column + 1] - x)
        return Tile(index, Box(self.rows[row], self.columns[column], *self.tile), core)

    def __iter__(self) -> Iterator[Tile]:
        return (self[index] for index in range(len(self)))

    @property
    def overlap_share(self) -> float:
        """Share of the computed pixels that another tile computes too or that lie outside."""
        computed = len(self) * self.tile[0] * self.tile[1]
        return 1 - self.plane[0] * self.plane[1] / computed


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _count(length: int, tile: int, halo: int, multiple: int) -> int:
    room = _round_up(length, multiple) - tile
    return -(-room // (tile - 2 * halo)) + 1 if room > 0 else 1


def _starts(length: int, tile: int, halo: int, multiple: int) -> tuple[int, ...]:
    count = _count(length, tile, halo, multiple)
    if count == 1:
        return (0,)
    steps, gaps = (_round_up(length, multiple) - tile) // multiple, count - 1
    return tuple(multiple * ((2 * i * steps + gaps) // (2 * gaps)) for i in range(count))


def _cuts(starts: tuple[int, ...], tile: int, length: int) -> tuple[int, ...]:
    """Return where one core ends and the next begins: in the middle of each overlap."""
    middles = [(left + tile + right) // 2 for left, right in itertools.pairwise(starts)]
    return (0, *middles, length)

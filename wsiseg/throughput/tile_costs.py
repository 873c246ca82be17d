"""What a tile cost, and the part of the plane that it cost it for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from wsiseg.throughput.recorder import TileRow
from wsiseg.tiling.boxes import Box


def milliseconds(row: TileRow) -> float:
    """Return by how much a tile made the run longer; reading counts where it was waited for."""
    return row.wait_ms + row.forward_ms + row.stitch_ms + row.write_ms


@dataclass(frozen=True)
class TilePlaces:
    """Where the tiles of a run lie, as its run file tells.

    Attributes
    ----------
    shapes : sequence of tuple of int
        The ``(height, width)`` that tiles have, halo included.
    halo : int
        Margin of each.
    plane : tuple of int
        ``(height, width)`` in working pixels.
    shape_of_tile : sequence of int or None
        By the index of a tile, which of the shapes it has; None if there is one only.

    Examples
    --------
    >>> row = TileRow(1, 0, 48, 1.0, 20.0, 0.5, 0.0, 0.1, 2.0, "done")
    >>> TilePlaces([(104, 104)], halo=8, plane=(100, 200)).own_box(row)
    Box(y=0, x=56, height=100, width=88)
    """

    shapes: Sequence[tuple[int, int]]
    halo: int
    plane: tuple[int, int]
    shape_of_tile: Sequence[int] | None = None

    @classmethod
    def of_run(cls, identity: Mapping[str, Any]) -> Self:
        """Return the places of the tiles of a run.

        Parameters
        ----------
        identity : mapping
            Of the run, see :func:`wsiseg.segmentation.provenance.identify`.

        Raises
        ------
        LookupError, TypeError, ValueError
            If the identity says nothing of the tiles.
        """
        tile, halo = identity["tile"], identity["halo"]
        plane = identity["plane"]["height"], identity["plane"]["width"]
        if isinstance(tile, Mapping):
            shapes = [(height, width) for height, width in tile["shapes"]]
            return cls(shapes, halo, plane, tile["shape_of_tile"])
        return cls([(tile[0], tile[1])], halo, plane)

    def own_box(self, row: TileRow) -> Box:
        """Return what a tile is there for: all but its halo, which ends at the plane's edge."""
        number = 0 if self.shape_of_tile is None else self.shape_of_tile[row.index]
        spans = []
        for start, length, side in zip(
            (row.y, row.x), self.shapes[number], self.plane, strict=True
        ):
            end = min(start + length, side)
            spans.append((start + self.halo * (start > 0), end - self.halo * (end < side)))
        (top, bottom), (left, right) = spans
        return Box(top, left, bottom - top, right - left)

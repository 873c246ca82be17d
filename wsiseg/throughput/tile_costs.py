"""What a tile cost, and the part of the plane that it cost it for."""

from __future__ import annotations

from wsiseg.throughput.recorder import TileRow
from wsiseg.tiling.boxes import Box


def milliseconds(row: TileRow) -> float:
    """Return by how much a tile made the run longer; reading counts where it was waited for."""
    return row.wait_ms + row.forward_ms + row.stitch_ms + row.write_ms


def own_box(row: TileRow, tile: tuple[int, int], halo: int, plane: tuple[int, int]) -> Box:
    """Return what a tile is there for: all but its halo, which ends at the plane's edge.

    Parameters
    ----------
    row : TileRow
        The tile.
    tile : tuple of int
        ``(height, width)`` of all tiles, halo included.
    halo : int
        Margin of each.
    plane : tuple of int
        ``(height, width)`` in working pixels.

    Returns
    -------
    Box
        In working pixels.

    Examples
    --------
    >>> row = TileRow(1, 0, 48, 1.0, 20.0, 0.5, 0.0, 0.1, 2.0, "done")
    >>> own_box(row, tile=(104, 104), halo=8, plane=(100, 200))
    Box(y=0, x=56, height=100, width=88)
    """
    spans = []
    for start, length, side in zip((row.y, row.x), tile, plane, strict=True):
        end = min(start + length, side)
        spans.append((start + halo * (start > 0), end - halo * (end < side)))
    (top, bottom), (left, right) = spans
    return Box(top, left, bottom - top, right - left)

"""Covering what is analysed by tiles, so that least is computed within the memory budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from wsiseg.errors import MemoryBudgetError
from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.memory import MemoryCosts
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.store.arrays import SHARD_WIDTH
from wsiseg.tiling.blocks import Blocks
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.covering import Cover
from wsiseg.tiling.fitting import Limits, fit_cover
from wsiseg.tiling.grid import TileGrid
from wsiseg.tiling.resolution import WorkingPlane

LARGEST_TILES = (2304, 2048, 1536, 1024, 768, 512, 384, 256)
"""Tile edges to try, the largest first: few borders matter more than how they are blended."""

CROP_HALO = 64
BLEND_HALO_SHARE = 8

FITTED_EDGES = (1792, 1536, 1408)
"""Square roots of the pixels of a fitted box, at most, to try."""

FITTED_CROP_HALO, FITTED_BLEND_HALO = 48, 128
"""Fitted boxes border on others on fewer sides, so less context does as well: docs/tiling.md."""

_WORTH_FITTING = 1.2
"""A grid that computes no more than this many times what is analysed is good enough."""

_FITTED_SHARE = 0.9
"""Fitted boxes are taken if they compute no more than this share of what a grid computes."""

_MOST_SHAPES = 6
"""Shapes of fitted boxes; where several tiles go through the network at once, they are of one."""

_SHAPE_PIXELS = 12_500_000
"""Of all shapes, at most: how a slide is cut is not to depend on the machine if memory allows."""

_SHAPE_COST = 1_000_000
"""Pixels that go through a network while it is compiled for one more shape."""

Windows = tuple[Box, ...]
Work = tuple[int, Cover, Windows]


def find_cover(
    plane: WorkingPlane,
    blocks: Blocks,
    predictor: Predictor,
    options: SegmentOptions,
    costs: MemoryCosts,
) -> tuple[Cover, Windows]:
    """Return the tiles and stripes that compute least of those that fit the memory budget.

    Tiles are those of a grid where tissue is nearly everywhere, and boxes of a few shapes that are
    fitted to it elsewhere.

    Parameters
    ----------
    plane : WorkingPlane
        To be covered.
    blocks : Blocks
        What of it is analysed.
    predictor : Predictor
        Its network says what tile sizes are multiples of, and how far it sees.
    options : SegmentOptions
        `tile`, `halo`, `blend` and `memory` count.
    costs : MemoryCosts
        What memory depends on.

    Returns
    -------
    Cover, tuple of Box
        The tiles, and column stripes that are worked off one after the other; one if memory
        allows.

    Raises
    ------
    MemoryBudgetError
        If no way of cutting the work fits the budget.
    """
    pixels, cover, windows = _best_grid(plane, blocks, predictor, options, costs)
    if options.tile is None and pixels > _WORTH_FITTING * blocks.area > 0:
        fitted = _fitted_covers(plane, blocks, predictor, options, costs)
        best = min(fitted, key=lambda found: found[0], default=None)
        if best is not None and best[0] <= _FITTED_SHARE * pixels:
            _, cover, windows = best
    return cover, windows


def _best_grid(
    plane: WorkingPlane,
    blocks: Blocks,
    predictor: Predictor,
    options: SegmentOptions,
    costs: MemoryCosts,
) -> Work:
    whole = options.blend != "crop"
    needs: list[int] = []
    fitting: list[tuple[int, TileGrid, Windows]] = []
    for grid in _candidate_grids(plane, predictor, options):
        for windows in _ways_to_cut(plane):
            needs.append(costs.need([grid.tile], windows).total)
            if needs[-1] <= options.memory:
                fitting.append((_pixels_of(grid, blocks, windows, whole=whole), grid, windows))
                break
    if not fitting:
        raise MemoryBudgetError(
            f"about {min(needs) / 2**20:.0f} MiB of memory are needed, "
            f"{options.memory / 2**20:.0f} MiB are allowed",
            "`memory`",
            "Allow more with `memory`, or use a smaller `tile` or `batch`.",
        )
    pixels, grid, windows = min(fitting, key=lambda found: found[0])
    return pixels, Cover.of_grid(grid, blocks), windows


def _fitted_covers(
    plane: WorkingPlane,
    blocks: Blocks,
    predictor: Predictor,
    options: SegmentOptions,
    costs: MemoryCosts,
) -> Iterator[Work]:
    """Yield covers of boxes that are fitted to the blocks."""
    whole = options.blend != "crop"
    most = _MOST_SHAPES if costs.batch == 1 else 1
    multiple = predictor.checkpoint.input_multiple
    halo = options.halo
    if halo is None:
        reach = predictor.receptive_radius
        wanted = FITTED_BLEND_HALO if whole else FITTED_CROP_HALO
        halo = wanted if reach is None else min(wanted, reach)
    halo = -(-halo // multiple) * multiple
    for windows in _ways_to_cut(plane):

        def affordable(shapes: Sequence[tuple[int, int]], windows: Windows = windows) -> bool:
            pixels = sum(height * width for height, width in shapes)
            return pixels <= _SHAPE_PIXELS and costs.need(shapes, windows).total <= options.memory

        found = False
        for edge in FITTED_EDGES:
            limits = Limits(halo, multiple, edge**2, most, _SHAPE_COST, affordable)
            cover = fit_cover(blocks, limits)
            if cover is not None:
                found = True
                visits = (cover.reaching(window, whole=whole) for window in windows)
                pixels = sum(tile.box.area for tiles in visits for tile in tiles)
                yield pixels + _SHAPE_COST * (len(cover.shapes) - 1), cover, windows
        if found:
            return


def _candidate_grids(
    plane: WorkingPlane, predictor: Predictor, options: SegmentOptions
) -> Iterator[TileGrid]:
    """Yield grids from the best to the smallest; one alone if the user named the tile."""
    multiple = predictor.checkpoint.input_multiple
    reach = math.inf if predictor.receptive_radius is None else predictor.receptive_radius
    edges: Sequence[int] = LARGEST_TILES if options.tile is None else (options.tile,)
    for edge in edges:
        if options.halo is not None:
            halo = options.halo
        else:
            wanted = CROP_HALO if options.blend == "crop" else edge // BLEND_HALO_SHARE
            halo = int(min(wanted, reach, edge // 4))
        # Of a tile that is chosen for a halo that is given, half is to be of use.
        largest = edge if options.tile is not None else max(edge, 4 * halo)
        yield TileGrid.fitting(
            (plane.height, plane.width), largest, halo, multiple, shrink=options.tile is None
        )


def _ways_to_cut(plane: WorkingPlane) -> Iterator[tuple[Box, ...]]:
    """Yield the plane whole, then cut into ever more column stripes of whole shards."""
    shards = -(-plane.width // SHARD_WIDTH)
    for count in range(1, shards + 1):
        cuts = [min(plane.width, round(i * shards / count) * SHARD_WIDTH) for i in range(count + 1)]
        yield tuple(
            Box(0, left, plane.height, right - left) for left, right in itertools.pairwise(cuts)
        )


def _pixels_of(grid: TileGrid, blocks: Blocks, windows: Windows, *, whole: bool) -> int:
    """Return how many pixels go through the network."""
    met = blocks.met_by(np.array(grid.row_cuts), np.array(grid.column_cuts)).sum(axis=0)
    first = np.array(grid.columns if whole else grid.column_cuts[:-1])
    last = first + grid.tile[1] if whole else np.array(grid.column_cuts[1:])
    visits = sum(int(met[(first < window.right) & (last > window.x)].sum()) for window in windows)
    return visits * grid.tile[0] * grid.tile[1]

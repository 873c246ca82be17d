from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsiseg.tiling.blocks import BlockGrid, Blocks
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.covering import Cover
from wsiseg.tiling.fitting import Limits, fit_cover
from wsiseg.tiling.grid import TileGrid

HALO, MULTIPLE = 16, 8


def limits(largest: int = 256**2, most_shapes: int = 4, most_pixels: float = np.inf) -> Limits:
    def affordable(shapes):
        return sum(height * width for height, width in shapes) <= most_pixels

    return Limits(HALO, MULTIPLE, largest, most_shapes, 2000, affordable)


@st.composite
def blocks(draw) -> Blocks:
    plane = draw(st.integers(1, 900)), draw(st.integers(1, 900))
    grid = BlockGrid(plane, MULTIPLE * draw(st.integers(1, 8)))
    wanted = draw(arrays(bool, grid.shape, elements=st.booleans(), fill=st.booleans()))
    return Blocks(grid, wanted)


@settings(max_examples=60, deadline=None)
@given(blocks(), st.integers(1, 4))
def test_cores_hold_every_block_once_with_context_around(found, most):
    cover = fit_cover(found, limits(most_shapes=most))
    if cover is None:
        assert not found.wanted.any()
        return
    height, width = found.grid.plane
    times = np.zeros((height, width), int)
    for tile in cover.tiles:
        times[tile.core.slices_in(Box(0, 0, height, width))] += 1
        wide = tile.core.grown(HALO).intersection(Box(0, 0, height, width))
        assert tile.box.intersection(wide) == wide
        assert all(value % MULTIPLE == 0 for value in (*tile.box.corner, *tile.box.shape))
        assert min(tile.box.corner) >= 0
        assert tile.box.bottom < height + MULTIPLE
        assert tile.box.right < width + MULTIPLE
    assert times.max() == 1
    assert all(times[box.slices_in(Box(0, 0, height, width))].all() for box in boxes_of(found))
    assert len(cover.shapes) <= most
    assert [tile.index for tile in cover.tiles] == list(range(len(cover.tiles)))
    assert [tile.core.corner for tile in cover.tiles] == sorted(t.core.corner for t in cover.tiles)


def boxes_of(found: Blocks) -> list[Box]:
    edge, plane = found.grid.edge, Box(0, 0, *found.grid.plane)
    return [
        Box(row * edge, column * edge, edge, edge).intersection(plane)
        for row, column in np.argwhere(found.wanted).tolist()
    ]


def needle(angle: float, bow: float = 0.0, edge: int = 128) -> Blocks:
    """Return a slightly curved core, 1 × 15 mm at 0.5 µm per pixel."""
    height, width = 12_000, 32_000
    grid = BlockGrid((height, width), edge)
    y, x = np.mgrid[: height // 16, : width // 16] * 16.0 + 8
    turn = np.deg2rad(angle)
    along = (x - width / 2) * np.cos(turn) + (y - height / 2) * np.sin(turn)
    across = (y - height / 2) * np.cos(turn) - (x - width / 2) * np.sin(turn)
    inside = (abs(along) < 15_000) & (abs(across - bow * (along / 15_000) ** 2) < 1000)
    rows, columns = (np.arange(0, n // 16, edge // 16) for n in (height, width))
    wanted = np.add.reduceat(np.add.reduceat(inside, rows, 0), columns, 1) > 0
    return Blocks(grid, wanted)


@pytest.mark.parametrize(("angle", "bow"), [(0, 0), (7, 300), (-15, -300)])
def test_a_needle_computes_little_more_than_its_tissue(angle, bow):
    found = needle(angle, bow)
    tissue = 2000 * 30_000
    large = replace(limits(1792**2, 6, 1e7), halo=48, shape_cost=10**6)
    cover = fit_cover(found, large)
    grid = TileGrid.fitting(found.grid.plane, 2048, 64, MULTIPLE, shrink=True)
    assert cover.pixels < 1.4 * tissue
    assert cover.pixels < 0.75 * Cover.of_grid(grid, found).pixels


def test_a_core_that_stands_is_covered_as_one_that_lies():
    lying = needle(5)
    standing = Blocks(BlockGrid(lying.grid.plane[::-1], 128), lying.wanted.T.copy())
    few = limits(largest=1536**2, most_pixels=1e7)
    assert fit_cover(standing, few).pixels == pytest.approx(fit_cover(lying, few).pixels, rel=0.02)


def test_shapes_keep_to_the_memory_that_there_is():
    rich, poor = (fit_cover(needle(10), limits(1792**2, 6, most)) for most in (1.2e7, 3.5e6))
    assert sum(h * w for h, w in poor.shapes) <= 3.5e6 < sum(h * w for h, w in rich.shapes)
    assert rich.pixels < poor.pixels
    assert fit_cover(needle(10), limits(1792**2, 6, 1000)) is None


def test_parts_whose_boxes_would_overlap_are_cut_together():
    grid = BlockGrid((960, 960), 48)
    rows, columns = np.indices(grid.shape)
    # Two lines side by side, as steep as boxes are wide.
    wanted = (abs(rows - columns) == 0) | (rows - columns == 5)
    cover = fit_cover(Blocks(grid, wanted), limits(most_shapes=1))
    cores = [tile.core for tile in cover.tiles]
    assert all(not a.intersection(b).area for i, a in enumerate(cores) for b in cores[:i])

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import grid_settings, grids, lengths, planes
from wsiseg.errors import ArgumentError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import TileGrid


def rounded(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


@given(grids())
def test_cores_partition_the_plane(grid: TileGrid) -> None:
    owners = np.zeros(grid.plane, int)
    for tile in grid:
        assert tile.core.area
        assert tile.core.intersection(Box(0, 0, *grid.plane)) == tile.core
        owners[tile.core.slices_in(Box(0, 0, *grid.plane))] += 1
    assert (owners == 1).all()


@given(grids())
def test_all_tiles_have_one_shape_and_stand_at_multiples(grid: TileGrid) -> None:
    for tile in grid:
        assert tile.box.shape == grid.tile
        assert tile.core.intersection(tile.box) == tile.core
        for number in (tile.box.y, tile.box.x, *tile.box.shape):
            assert number % grid.multiple == 0


@given(grids())
def test_every_core_pixel_lies_a_halo_inside_each_inner_edge(grid: TileGrid) -> None:
    height, width = (rounded(length, grid.multiple) for length in grid.plane)
    for tile in grid:
        box, core = tile.box, tile.core
        assert box.y == 0 or core.y - box.y >= grid.halo
        assert box.x == 0 or core.x - box.x >= grid.halo
        assert box.bottom == height or box.bottom - core.bottom >= grid.halo
        assert box.right == width or box.right - core.right >= grid.halo


@given(grids())
def test_tiles_begin_at_one_edge_and_reach_over_the_other_by_less_than_the_multiple(
    grid: TileGrid,
) -> None:
    assert (grid.rows[0], grid.columns[0]) == (0, 0)
    for starts, tile, length in zip((grid.rows, grid.columns), grid.tile, grid.plane, strict=True):
        assert 0 <= starts[-1] + tile - length < grid.multiple


@given(grids())
def test_tiles_are_evenly_spread(grid: TileGrid) -> None:
    for starts in (grid.rows, grid.columns):
        gaps = [right - left for left, right in itertools.pairwise(starts)]
        assert not gaps or 0 < min(gaps) <= max(gaps) <= min(gaps) + grid.multiple


@given(grids())
def test_no_grid_of_fewer_tiles_would_do(grid: TileGrid) -> None:
    for starts, tile, length in zip((grid.rows, grid.columns), grid.tile, grid.plane, strict=True):
        fewer = len(starts) - 1
        assert fewer * tile - max(0, fewer - 1) * 2 * grid.halo < rounded(length, grid.multiple)


@given(grids())
def test_tiles_are_numbered_row_by_row(grid: TileGrid) -> None:
    tiles = list(grid)
    assert len(tiles) == len(grid) == len(grid.rows) * len(grid.columns)
    assert [tile.index for tile in tiles] == list(range(len(tiles)))
    assert [t.box.corner for t in tiles] == sorted(t.box.corner for t in tiles)
    assert tiles == sorted(tiles, key=lambda tile: (tile.box.y, tile.box.x))
    assert grid[len(grid) - 1] == tiles[-1]


@pytest.mark.parametrize("index", [-1, 4])
def test_there_are_no_tiles_beyond_the_last(index: int) -> None:
    grid = TileGrid((100, 100), (64, 64), 8, 8)
    assert len(grid) == 4
    with pytest.raises(IndexError):
        grid[index]


@given(grids())
def test_overlap_is_what_is_computed_in_vain(grid: TileGrid) -> None:
    computed = sum(tile.box.area for tile in grid)
    used = sum(tile.core.area for tile in grid)
    assert grid.overlap_share == pytest.approx((computed - used) / computed)
    assert 0 <= grid.overlap_share < 1


def test_overlap_of_a_grid_that_fits_is_none() -> None:
    assert TileGrid((128, 64), (32, 32), 0, 32).overlap_share == 0


def test_overlap_counts_shared_and_outer_pixels() -> None:
    # Rows begin at 0 and 8, so 32 rows are computed for 17; columns need one tile.
    grid = TileGrid((17, 16), (16, 16), 0, 8)
    assert grid.rows == (0, 8)
    assert grid.overlap_share == pytest.approx(1 - 17 / 32)


@given(planes(), grid_settings())
def test_shrinking_gives_no_more_tiles_and_none_larger(
    plane: tuple[int, int], settings: tuple[int, int, int]
) -> None:
    largest, halo, multiple = settings
    plain = TileGrid.fitting(plane, largest, halo, multiple, shrink=False)
    small = TileGrid.fitting(plane, largest, halo, multiple, shrink=True)
    assert len(small.rows) <= len(plain.rows)
    assert len(small.columns) <= len(plain.columns)
    for edge, other in zip(small.tile, plain.tile, strict=True):
        assert edge <= other <= rounded(largest, multiple)
    assert small.overlap_share <= plain.overlap_share + 1e-12


@given(planes(), grid_settings())
def test_shrunk_tiles_are_as_small_as_their_number_allows(
    plane: tuple[int, int], settings: tuple[int, int, int]
) -> None:
    grid = TileGrid.fitting(plane, *settings, shrink=True)
    for starts, tile, length in zip((grid.rows, grid.columns), grid.tile, grid.plane, strict=True):
        smaller, count = tile - grid.multiple, len(starts)
        assert count * smaller - (count - 1) * 2 * grid.halo < rounded(length, grid.multiple)


@given(planes(60), st.sampled_from([1, 8, 16]), st.booleans())
def test_a_slide_smaller_than_a_tile_is_one_tile_of_its_own_size(
    plane: tuple[int, int], multiple: int, shrink: bool
) -> None:
    grid = TileGrid.fitting(plane, 64, 16, multiple, shrink=shrink)
    assert len(grid) == 1
    assert grid.tile == tuple(rounded(length, multiple) for length in plane)
    assert grid[0].core == Box(0, 0, *plane)


@given(lengths(1000), st.booleans(), st.booleans())
def test_slivers_get_one_row_of_tiles(length: int, upright: bool, shrink: bool) -> None:
    plane = (length, 1) if upright else (1, length)
    grid = TileGrid.fitting(plane, 64, 16, 8, shrink=shrink)
    along, across = (grid.rows, grid.columns) if upright else (grid.columns, grid.rows)
    assert across == (0,)
    assert grid.tile[upright] == 8
    assert sum(tile.core.area for tile in grid) == length
    assert len(along) == max(1, -(-(rounded(length, 8) - 64) // 32) + 1)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 4, 8]))
def test_fitting_rounds_what_is_asked_for_up(largest: int, halo: int, multiple: int) -> None:
    grid = TileGrid.fitting((1, 1), largest, halo, multiple, shrink=False)
    assert grid.halo == rounded(halo, multiple)


@pytest.mark.parametrize("shrink", [False, True])
@pytest.mark.parametrize(("tile", "halo"), [(64, 32), (64, 40), (8, 8), (0, 0)])
def test_a_tile_without_an_inside_is_refused(tile: int, halo: int, shrink: bool) -> None:
    with pytest.raises(ArgumentError, match="nothing left inside"):
        TileGrid.fitting((500, 500), tile, halo, 8, shrink=shrink)


def test_a_halo_does_not_matter_where_one_tile_covers_all() -> None:
    assert len(TileGrid.fitting((60, 60), 64, 32, 8, shrink=True)) == 1


@pytest.mark.parametrize(("tile", "halo"), [((60, 64), 8), ((64, 60), 8), ((64, 64), 9)])
def test_what_is_no_multiple_is_refused(tile: tuple[int, int], halo: int) -> None:
    with pytest.raises(ArgumentError, match="multiples of 8"):
        TileGrid((500, 500), tile, halo, 8)

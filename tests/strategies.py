"""Hypothesis strategies for planes, tiles and grids."""

from hypothesis import strategies as st

from wsiseg.tiling.grid import TileGrid

multiples = st.sampled_from([1, 2, 4, 8, 16])
"""Input multiples of networks."""


def lengths(largest: int = 150) -> st.SearchStrategy[int]:
    """Edges of planes: slivers, odd ones, and anything between."""
    return st.one_of(
        st.sampled_from([1, 2, 3]),
        st.integers(0, (largest - 1) // 2).map(lambda half: 2 * half + 1),
        st.integers(1, largest),
    )


def planes(largest: int = 150) -> st.SearchStrategy[tuple[int, int]]:
    """``(height, width)`` of planes."""
    return st.tuples(lengths(largest), lengths(largest))


@st.composite
def grid_settings(draw: st.DrawFn, smallest_halo: int = 0) -> tuple[int, int, int]:
    """``(largest tile, halo, multiple)``, as asked for, rounded to no multiple."""
    multiple = draw(multiples)
    halo = draw(st.integers(smallest_halo, max(smallest_halo, 2 * multiple + 4)))
    rounded = -(-halo // multiple) * multiple
    inner = draw(st.integers(1, 48))
    return 2 * rounded + inner, halo, multiple


@st.composite
def grids(draw: st.DrawFn, largest: int = 150, smallest_halo: int = 0) -> TileGrid:
    """Grids as the planner lays them, tight ones and loose ones."""
    tile, halo, multiple = draw(grid_settings(smallest_halo))
    return TileGrid.fitting(draw(planes(largest)), tile, halo, multiple, shrink=draw(st.booleans()))

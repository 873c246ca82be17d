import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsiseg.tiling.blocks import BlockGrid, Blocks
from wsiseg.tiling.boxes import Box


@st.composite
def blocks(draw) -> Blocks:
    grid = BlockGrid((draw(st.integers(1, 90)), draw(st.integers(1, 90))), draw(st.integers(1, 30)))
    return Blocks(grid, draw(arrays(bool, grid.shape)))


def pixels_of(found: Blocks) -> np.ndarray:
    edge = found.grid.edge
    whole = found.wanted.repeat(edge, axis=0).repeat(edge, axis=1)
    return whole[: found.grid.plane[0], : found.grid.plane[1]]


@given(blocks())
def test_the_area_is_that_of_the_pixels(found):
    assert found.area == pixels_of(found).sum()
    assert found.are_all == pixels_of(found).all()


@given(blocks(), st.data())
def test_gaps_are_the_pixels_of_a_box_that_are_not_wanted(found, data):
    height, width = found.grid.plane
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Box(y, x, data.draw(st.integers(1, height - y)), data.draw(st.integers(1, width - x)))
    times = np.zeros(box.shape, int)
    for gap in found.gaps(box):
        times[gap.slices_in(box)] += 1
    np.testing.assert_array_equal(times, ~pixels_of(found)[box.slices_in(Box(0, 0, height, width))])


@given(blocks(), st.data())
def test_cells_meet_the_blocks_that_lie_in_them(found, data):
    cuts = [
        np.array(sorted(data.draw(st.sets(st.integers(0, length), min_size=2, max_size=6))))
        for length in found.grid.plane
    ]
    met = found.met_by(*cuts)
    pixels = pixels_of(found)
    for row, column in np.ndindex(met.shape):
        (top, bottom), (left, right) = cuts[0][row : row + 2], cuts[1][column : column + 2]
        assert met[row, column] == pixels[top:bottom, left:right].any()


def test_the_digest_tells_blocks_apart_and_is_none_for_all():
    grid = BlockGrid((100, 60), 20)
    some, others = np.zeros(grid.shape, bool), np.zeros(grid.shape, bool)
    some[0, 1] = others[1, 0] = True
    assert Blocks.everywhere(grid).digest() is None
    assert Blocks(grid, some).digest() != Blocks(grid, others).digest()
    assert Blocks(grid, some).digest() == Blocks(grid, some.copy()).digest()

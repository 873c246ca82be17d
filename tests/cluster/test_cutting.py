"""A slide is cut into runs of whole bands, no more than are worthwhile."""

from hypothesis import given, settings
from hypothesis import strategies as st

from wsiseg.cluster.cutting import cut_into_runs
from wsiseg.segmentation.resuming import cut_into_bands
from wsiseg.tiling import Box
from wsiseg.tiling.blocks import BlockGrid, Blocks
from wsiseg.tiling.covering import Cover
from wsiseg.tiling.grid import TileGrid


def cover_of(height, width, tile, halo):
    grid = TileGrid.fitting((height, width), tile, halo, 4, shrink=False)
    return Cover.of_grid(grid, Blocks.everywhere(BlockGrid((height, width), 128)))


def costs(runs, cover, whole):
    return [sum(tile.box.area for tile in cover.reaching(run, whole=whole)) for run in runs]


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 30_000),
    workers=st.integers(1, 9),
    tile=st.sampled_from([256, 1024, 2304]),
    whole=st.booleans(),
    tissue=st.floats(0, 1),
)
def test_runs_are_whole_bands_and_together_the_boxes(height, workers, tile, whole, tissue):
    cover = cover_of(height, 700, tile, 64)
    kept = tuple(t for t in cover.tiles if t.core.y >= height * tissue)
    cover = Cover(kept, cover.halo)
    boxes = [Box(0, 0, height, 600), Box(0, 600, height, 100)]
    runs = cut_into_runs(boxes, cover, workers, whole=whole)
    bands = [band for box in boxes for band in cut_into_bands(box)]
    cut = [band for run in runs for band in cut_into_bands(run)]
    assert sorted(cut, key=lambda box: (box.x, box.y)) == bands
    found = costs(runs, cover, whole)
    assert found == sorted(found, reverse=True)


def test_one_worker_computes_nothing_twice():
    cover = cover_of(20_000, 3_000, 1024, 64)
    assert cut_into_runs([Box(0, 0, 20_000, 3_000)], cover, 1, whole=False) == [
        Box(0, 0, 20_000, 3_000)
    ]


def test_workers_have_about_the_same_to_do():
    cover = cover_of(40_000, 3_000, 512, 64)
    runs = cut_into_runs([Box(0, 0, 40_000, 3_000)], cover, 4, whole=False)
    found = costs(runs, cover, whole=False)
    assert len(runs) >= 4
    assert sum(found) < 1.1 * cover.pixels
    assert max(found) < 1.15 * cover.pixels / 4

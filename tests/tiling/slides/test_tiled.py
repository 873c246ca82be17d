"""How a level is cut into blocks of the file's own tiles."""

import pytest

from wsiseg.tiling import Box
from wsiseg.tiling.slides.slide import Level
from wsiseg.tiling.slides.tiled import FileTiling

LEVEL = Level(height=70_000, width=100_000, downsample=1.0)


@pytest.mark.parametrize(
    ("tile", "block", "kept"),
    [
        (None, (512, 512), True),
        ((256, 256), (512, 512), True),
        ((240, 240), (480, 480), True),
        ((1024, 1024), (1024, 1024), True),
        # Hamamatsu's, between two restart markers.
        ((8, 3968), (264, 3968), True),
        ((8, 65_536), (16, 65_536), True),
        ((2048, 2048), (2048, 2048), True),
        # The cache would hold one of them.
        ((4096, 4096), (4096, 4096), False),
    ],
)
def test_blocks_are_whole_file_tiles_of_which_some_can_be_kept(
    tile: tuple[int, int] | None, block: tuple[int, int], kept: bool
) -> None:
    tiling = FileTiling.of_blocks(LEVEL, tile, 512)
    assert (tiling.shape, tiling.cached) == (block, kept)
    box = Box(block[0] - 1, block[1] - 1, 2, 2)
    met = dict(tiling.tiles_in(box))
    assert len(met) == 4
    assert all(tiling.tile_box(index) == place for index, place in met.items())

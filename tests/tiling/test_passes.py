"""A pass over a slide: each file tile is decoded once, and only as finely as is of use."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile

from array_slide import ArraySlide, noise
from jpeg_slide import tissue, write_jpeg_slide
from spoiling import spoil_tile
from wsiseg.errors import DamagedSlideError
from wsiseg.tiling import Box
from wsiseg.tiling.grid import TileGrid
from wsiseg.tiling.reading import TileReader, read_working_box
from wsiseg.tiling.resolution import plane_at_level, plane_at_mpp
from wsiseg.tiling.slides import omezarr, tiled
from wsiseg.tiling.slides.omezarr import OmeZarrSlide
from wsiseg.tiling.slides.openslide import OpenSlideSlide
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.tiff import TiffSlide
from wsiseg.tiling.slides.tiff_tiles import TiffTiles
from wsiseg.tiling.slides.tiled import BlockSlide
from zarr_images import write_image


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int, int]]:
    """Return how often each tile was decoded, with its reduction."""
    count: Counter[tuple[int, int]] = Counter()
    decode = TiffTiles.decode

    def counted(self: TiffTiles, data: bytes, index: int, reduction: int = 1) -> object:
        count[index, reduction] += 1
        return decode(self, data, index, reduction)

    monkeypatch.setattr(TiffTiles, "decode", counted)
    return count


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(
    ("tile", "halo", "mpp", "rows"),
    # Resampled, a block of the plane is made of some 600 rows.
    [(200, 16, 0.5, 384), (96, 16, 0.5, 384), (24, 8, 0.5, 384), (120, 8, 1.1, 900)],
)
def test_each_file_tile_is_decoded_once(
    tmp_path: Path,
    decoded: Counter[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
    tile: int,
    halo: int,
    mpp: float,
    rows: int,
) -> None:
    """With room for what two rows of tiles share, which is far from the whole slide."""
    monkeypatch.setattr(tiled, "CACHE_BYTES", 1024 * rows * 3)
    with TiffSlide(write_jpeg_slide(tmp_path / "slide.tif", 1500, 1000)) as slide:
        plane = plane_at_mpp(slide, mpp)
        grid = TileGrid.fitting(plane.box.shape, tile, halo, 8, shrink=False)
        with TileReader(slide, plane, threads=threads, ahead=threads + 1) as reader:
            for batch in reader.batches(grid, 1):
                assert batch[0].error is None
    assert len({index for index, _ in decoded}) == 24 * 16
    # In each of its sizes: at the rim of a reduced plane some are wanted whole as well.
    assert max(decoded.values()) == 1


@pytest.mark.parametrize(
    "kind", [OpenSlideSlide, pytest.param(OmeZarrSlide, marks=pytest.mark.long)]
)
def test_a_library_is_asked_for_every_pixel_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BlockSlide]
) -> None:
    """With room for two rows of its blocks."""
    height, width = 2100, 2900
    pixels = noise(height, width)
    path = tmp_path / "slide.tif"
    if kind is OmeZarrSlide:
        write_image(path, [pixels], "yxc", version="0.5")
    else:
        tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", compression="zlib")
    asked: list[Box] = []
    read = kind._read_piece

    def counted(self: BlockSlide, level: int, box: Box) -> Pixels:
        asked.append(box)
        return read(self, level, box)

    monkeypatch.setattr(kind, "_read_piece", counted)
    monkeypatch.setattr(omezarr, "_BLOCK", 512)
    monkeypatch.setattr(tiled, "CACHE_BYTES", 1100 * width * 3)
    with kind(path) as slide:
        plane = plane_at_level(slide, 0)
        grid = TileGrid.fitting(plane.box.shape, 300, 32, 8, shrink=False)
        with TileReader(slide, plane, threads=3, ahead=4) as reader:
            for (tile,) in reader.batches(grid, 1):
                box = tile.tile.box.intersection(plane.box)
                assert tile.pixels is not None
                np.testing.assert_array_equal(
                    tile.pixels[box.slices_in(tile.tile.box)], pixels[box.slices_in(plane.box)]
                )
    assert sum(box.area for box in asked) == height * width


def test_damage_beyond_a_box_is_none_of_its_business(tmp_path: Path) -> None:
    """Though the block that OpenSlide is asked for is damaged."""
    pixels = noise(512, 512)
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb", compression="zlib")
    spoil_tile(path, 1, 1)
    with OpenSlideSlide(path) as slide:
        beside = Box(0, 0, 128, 512)
        np.testing.assert_array_equal(
            slide.read_region(0, beside), pixels[beside.slices_in(slide.levels[0].box)]
        )
        with pytest.raises(DamagedSlideError):
            slide.read_region(0, Box(0, 0, 129, 512))


@pytest.mark.parametrize("stored", ["ycbcr", "rgb"])
@pytest.mark.parametrize("scale", [2.0, 2.6, 4.0, 8.0, 9.3])
def test_a_reduced_jpeg_shows_what_the_whole_one_does(
    tmp_path: Path, decoded: Counter[tuple[int, int]], scale: float, stored: str
) -> None:
    path = write_jpeg_slide(tmp_path / "slide.tif", 2503, 2301, tile=128, stored=stored)
    with TiffSlide(path) as slide:
        plane = plane_at_mpp(slide, scale * 0.5)
        reduced = read_working_box(slide, plane, plane.box)
        used = {reduction for _, reduction in decoded}
    whole = ArraySlide(tissue(2503, 2301))
    exact = read_working_box(whole, plane_at_mpp(whole, scale * 0.5), plane.box)
    assert used >= {max(by for by in (2, 4, 8) if by <= scale)}
    assert reduced.shape == exact.shape
    difference = reduced.astype(int) - exact
    # One filter is a little sharper than the other; neither is shifted, darker or of other colours.
    assert np.abs(difference).mean() < 5
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.7
    shifted = np.abs(reduced[1:].astype(int) - exact[:-1]).mean()
    assert np.abs(difference).mean() < shifted / 2


@pytest.mark.parametrize("scale", [2.0, 2.7, 4.4])
def test_reduced_tiles_are_the_plane_read_at_once(tmp_path: Path, scale: float) -> None:
    with TiffSlide(write_jpeg_slide(tmp_path / "slide.tif", 701, 613)) as slide:
        plane = plane_at_mpp(slide, scale * 0.5)
        at_once = read_working_box(slide, plane, plane.box)
        for tile in TileGrid.fitting(plane.box.shape, 56, 8, 8, shrink=False):
            box = tile.box.intersection(plane.box)
            np.testing.assert_array_equal(
                read_working_box(slide, plane, box), at_once[box.slices_in(plane.box)]
            )


def test_what_lies_beyond_the_edge_does_not_shine_in(tmp_path: Path) -> None:
    """The last tiles of a file go on behind its edge, with whatever the writer put there."""
    white = np.full((80, 80, 3), 255, np.uint8)
    with TiffSlide(write_jpeg_slide(tmp_path / "slide.tif", 1003, 901)) as slide:
        plane = plane_at_mpp(slide, 2.0)
        ours = read_working_box(slide, plane, Box(plane.height - 4, 0, 4, plane.width))
        box = Box(plane.height - 4, 0, 4, plane.width)
        cut = ArraySlide(slide.read_region(0, Box(0, 0, 1003, 901)))
        theirs = read_working_box(cut, plane_at_mpp(cut, 2.0), box)
        outside = slide.read_region(0, Box(1003, 901, 80, 80))
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(outside, white)


def test_a_pass_that_is_left_leaves_no_announcement(tmp_path: Path) -> None:
    with TiffSlide(write_jpeg_slide(tmp_path / "slide.tif", 400, 300)) as slide:
        plane = plane_at_level(slide, 0)
        grid = TileGrid.fitting(plane.box.shape, 64, 8, 8, shrink=False)
        with TileReader(slide, plane, threads=2, ahead=4) as reader:
            next(reader.batches(grid, 1))
        assert slide._cache._readers == {}

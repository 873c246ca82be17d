import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from array_slide import ArraySlide, noise
from strategies import grid_settings, planes
from wsiseg.errors import DamagedSlideError
from wsiseg.tiling import Box, Slide, open_slide
from wsiseg.tiling.grid import TileGrid
from wsiseg.tiling.reading import TileReader, read_working_box
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp
from wsiseg.tiling.slides.pixels import Pixels

GLASS = (240, 238, 241)


def read_by_tiles(slide: Slide, plane: WorkingPlane, grid: TileGrid) -> Pixels:
    """Put a plane together from its tiles, each read by itself with its halo."""
    tiles = list(grid)
    canvas = np.empty((tiles[-1].box.bottom, tiles[-1].box.right, 3), np.uint8)
    for tile in tiles:
        box, outer = tile.box, Box(0, 0, *canvas.shape[:2])
        canvas[box.slices_in(outer)] = read_working_box(slide, plane, box)
    return canvas


@given(planes(120), grid_settings())
def test_tiles_of_a_level_are_the_level(
    shape: tuple[int, int], settings: tuple[int, int, int]
) -> None:
    pixels = noise(*shape)
    slide = ArraySlide(pixels, background=GLASS)
    grid = TileGrid.fitting(shape, *settings, shrink=True)
    canvas = read_by_tiles(slide, plane_at_level(slide, 0), grid)
    np.testing.assert_array_equal(canvas[: shape[0], : shape[1]], pixels)
    assert (canvas[shape[0] :] == GLASS).all()
    assert (canvas[:, shape[1] :] == GLASS).all()


@given(planes(120), grid_settings(), st.floats(0.3, 4.5))
def test_resampled_tiles_are_the_plane_read_at_once(
    shape: tuple[int, int], settings: tuple[int, int, int], scale: float
) -> None:
    """One grey level is allowed, as the resampler takes its box in single precision."""
    slide = ArraySlide(noise(*shape), background=GLASS, mpp=1.0)
    plane = plane_at_mpp(slide, scale)
    grid = TileGrid.fitting(plane.box.shape, *settings, shrink=True)
    canvas = read_by_tiles(slide, plane, grid)[: plane.height, : plane.width]
    at_once = read_working_box(slide, plane, plane.box)
    assert np.abs(canvas.astype(int) - at_once).max() <= 1


@given(planes(60), st.floats(0.3, 4.5), st.integers(-90, 90), st.integers(-90, 90))
def test_outside_the_plane_is_background(
    shape: tuple[int, int], scale: float, y: int, x: int
) -> None:
    slide = ArraySlide(np.zeros((*shape, 3), np.uint8), background=GLASS, mpp=1.0)
    plane = plane_at_mpp(slide, scale)
    box = Box(y, x, 40, 50)
    pixels = read_working_box(slide, plane, box)
    inside = np.zeros(box.shape, bool)
    met = box.intersection(plane.box)
    if met.area:
        inside[met.slices_in(box)] = True
    assert pixels.shape == (40, 50, 3)
    assert pixels.dtype == np.uint8
    assert (pixels[~inside] == GLASS).all()


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.9825, 3.7])
def test_a_plain_colour_stays_what_it_is(scale: float) -> None:
    slide = ArraySlide(np.full((97, 131, 3), (200, 120, 170), np.uint8), mpp=1.0)
    plane = plane_at_mpp(slide, scale)
    pixels = read_working_box(slide, plane, plane.box)
    # Half a pixel of the level at the edge holds some background.
    edge = 2 if scale < 1 else 1
    assert (pixels[edge:-edge, edge:-edge] == (200, 120, 170)).all()


class Ramp(ArraySlide):
    """A long slide whose grey goes up and down by one per pixel, computed where it is read."""

    def __init__(self, width: int) -> None:
        super().__init__(np.broadcast_to(np.uint8(0), (16, width, 3)), mpp=0.2522)

    def _read(self, level: int, box: Box) -> Pixels:
        wave = self.grey(np.arange(box.x, box.right) + 0.5)
        return np.broadcast_to(np.rint(wave).astype(np.uint8)[:, None], (*box.shape, 3)).copy()

    @staticmethod
    def grey(x: np.ndarray) -> np.ndarray:
        return np.abs(x % 500 - 250)


@pytest.mark.parametrize("mpp", [0.25, 0.5, 1.1])
def test_nothing_drifts_far_from_the_origin(mpp: float) -> None:
    slide = Ramp(200_000)
    plane = plane_at_mpp(slide, mpp)
    start = plane.width - 700
    pixels = read_working_box(slide, plane, Box(0, start, plane.height, 600))[1, :, 0]
    centres = (np.arange(start, start + 600) + 0.5) * mpp / 0.2522
    exact = Ramp.grey(centres)
    # The filter rounds the turning points off.
    straight = (exact > 10) & (exact < 240)
    assert np.abs(pixels - exact)[straight].max() <= 1


def test_shrinking_takes_the_mean_of_what_a_pixel_covers() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2] = 200
    slide = ArraySlide(pixels, mpp=1.0)
    plane = plane_at_mpp(slide, 4.0)
    inner = read_working_box(slide, plane, plane.box)[1:-1, 1:-1]
    assert np.abs(inner.astype(int) - 100).max() <= 7


@given(st.integers(1, 5), st.integers(1, 12), st.integers(1, 7), st.integers(0, 40))
@settings(max_examples=40)
def test_the_reader_gives_each_tile_once_in_order(
    threads: int, ahead: int, size: int, count: int
) -> None:
    slide = ArraySlide(noise(90, 110), mpp=1.0)
    plane = plane_at_mpp(slide, 1.3)
    grid = TileGrid.fitting(plane.box.shape, 24, 4, 4, shrink=False)
    tiles = list(grid)[:count]
    with TileReader(slide, plane, threads=threads, ahead=ahead) as reader:
        batches = list(reader.batches(iter(tiles), size))
    read = [item for batch in batches for item in batch]
    assert [item.tile for item in read] == tiles
    assert all(0 < len(batch) <= size for batch in batches)
    if ahead >= size:
        assert all(len(batch) == size for batch in batches[:-1])
    for item in read:
        assert item.error is None
        assert item.seconds >= 0
        np.testing.assert_array_equal(item.pixels, read_working_box(slide, plane, item.tile.box))


def test_a_damaged_tile_gives_its_error_and_the_others_their_pixels() -> None:
    pixels = noise(100, 100)
    slide = ArraySlide(pixels, damaged=[Box(40, 40, 5, 5)])
    plane = plane_at_level(slide, 0)
    grid = TileGrid.fitting((100, 100), 20, 0, 20, shrink=False)
    with TileReader(slide, plane, threads=3, ahead=6) as reader:
        read = [item for batch in reader.batches(grid, 4) for item in batch]
    assert len(read) == 25
    bad = [item for item in read if item.error]
    assert [item.tile.box for item in bad] == [Box(40, 40, 20, 20)]
    assert bad[0].pixels is None
    assert isinstance(bad[0].error, DamagedSlideError)
    for item in read:
        if item not in bad:
            cut = item.tile.box.slices_in(Box(0, 0, 100, 100))
            np.testing.assert_array_equal(item.pixels, pixels[cut])


def test_the_reader_can_be_left_early() -> None:
    slide = ArraySlide(noise(200, 200))
    grid = TileGrid.fitting((200, 200), 16, 0, 8, shrink=False)
    with TileReader(slide, plane_at_level(slide, 0), threads=2, ahead=8) as reader:
        first = next(reader.batches(grid, 2))
    assert [item.tile.index for item in first] == [0, 1]


def picture(folder: Path) -> Path:
    path = folder / "picture.png"
    Image.fromarray(noise(150, 130)).save(path)
    return path


def pyramid(folder: Path) -> Path:
    path = folder / "pyramid.tif"
    pixels = noise(150, 130)
    with tifffile.TiffWriter(path) as writer:
        options = {"tile": (64, 64), "photometric": "rgb", "compression": "zlib"}
        writer.write(pixels, subifds=0, **options)
        writer.write(pixels[::2, ::2], subfiletype=1, **options)
    return path


@pytest.mark.parametrize("make", [picture, pyramid])
def test_a_worker_that_is_sent_a_slide_reads_the_same(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    with open_slide(make(tmp_path), slide_mpp=0.7) as slide:
        plane = plane_at_mpp(slide, 1.0)
        box = Box(10, -5, 70, 90)
        here = read_working_box(slide, plane, box)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            there = pool.apply(read_working_box, (slide, plane, box))
    np.testing.assert_array_equal(here, there)

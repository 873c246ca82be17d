import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw
from scipy import ndimage

from array_slide import ArraySlide
from tissue_places import has_tissue
from wsiseg.errors import AnnotationError
from wsiseg.tiling import Box, open_slide, tissue
from wsiseg.tiling.blocks import BlockGrid
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp
from wsiseg.tiling.slides.orientation import orientation
from wsiseg.tiling.slides.pixels import Colour, Pixels
from wsiseg.tiling.tissue import (
    OVERVIEW_EDGE,
    TissueMask,
    find_tissue,
    read_overview,
)
from wsiseg.tiling.tissue_picture import read_tissue_picture

GLASS: Colour = (245, 245, 245)
PINK: Colour = (205, 130, 180)
PALE: Colour = (235, 215, 228)


def glass(height: int, width: int, noise: float = 1.5) -> Pixels:
    grain = np.random.default_rng(0).normal(0, noise, (height, width, 3))
    return np.clip(np.rint(GLASS + grain), 0, 255).astype(np.uint8)


def painted(pixels: Pixels, shapes: list[tuple[int, int, int]], colour: Colour) -> np.ndarray:
    """Paint discs ``(y, x, radius)`` with some texture and return where they are."""
    picture = Image.new("L", pixels.shape[1::-1])
    for y, x, radius in shapes:
        ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    where = np.asarray(picture) > 0
    texture = np.random.default_rng(1).integers(-6, 7, (where.sum(), 1))
    pixels[where] = np.clip(np.asarray(colour) + texture, 0, 255)
    return where


def found_in(pixels: Pixels) -> np.ndarray:
    """Return the mask of a slide, enlarged to its pixels."""
    slide = ArraySlide(pixels, background=GLASS)
    mask = find_tissue(slide, plane_at_level(slide, 0)).mask
    rows, columns = (
        np.minimum(np.arange(full) * small // full, small - 1)
        for full, small in zip(pixels.shape[:2], mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]


@pytest.mark.parametrize("shape", [(600, 800), (1501, 2999)])
@pytest.mark.parametrize("colour", [PINK, PALE, (120, 60, 150), (228, 222, 205)])
def test_every_piece_of_tissue_lies_inside_and_most_glass_outside(
    shape: tuple[int, int], colour: Colour
) -> None:
    pixels = glass(*shape)
    height, width = shape
    tissue = painted(
        pixels,
        [
            (height // 4, width // 4, height // 8),
            (height // 2, 3 * width // 4, height // 6),
            (height - height // 20, width // 2, height // 25),
        ],
        colour,
    )
    mask = found_in(pixels)
    assert mask[ndimage.binary_erosion(tissue, iterations=2)].all()
    assert mask[tissue].mean() > 0.99
    far = ~ndimage.binary_dilation(tissue, iterations=height // 25)
    assert mask[far].mean() < 0.005


def test_pale_tissue_beside_dark_tissue_stays() -> None:
    pixels = glass(700, 900)
    dark = painted(pixels, [(350, 250, 150)], (90, 40, 120))
    pale = painted(pixels, [(350, 650, 120)], PALE)
    mask = found_in(pixels)
    assert mask[dark].mean() > 0.99
    assert mask[pale].mean() > 0.99


def test_pale_tissue_that_covers_most_of_the_slide_stays() -> None:
    pixels = glass(600, 600)
    tissue = painted(pixels, [(300, 300, 270)], PALE)
    assert tissue.mean() > 0.6
    assert found_in(pixels)[tissue].mean() > 0.99


def test_a_hole_inside_tissue_is_filled() -> None:
    pixels = glass(600, 600)
    tissue = painted(pixels, [(300, 300, 200)], PINK)
    painted(pixels, [(300, 320, 90)], GLASS)
    assert found_in(pixels)[tissue].mean() > 0.99


def test_dust_is_dropped() -> None:
    pixels = glass(1024, 1024)
    tissue = painted(pixels, [(500, 500, 150)], PINK)
    pixels[100, 100] = pixels[800, 300] = (40, 40, 40)
    mask = found_in(pixels)
    assert mask[tissue].mean() > 0.99
    assert not mask[80:120, 80:120].any()
    assert not mask[780:820, 280:320].any()


@pytest.mark.parametrize("colour", [(255, 255, 255), GLASS, (225, 228, 222)])
def test_bare_glass_holds_nothing(colour: Colour) -> None:
    pixels = np.full((500, 700, 3), colour, np.uint8)
    assert not found_in(pixels).any()
    grainy = pixels + np.random.default_rng(0).integers(-2, 1, pixels.shape).astype(np.int16)
    assert found_in(grainy.clip(0, 255).astype(np.uint8)).mean() < 0.001


def test_an_unevenly_lit_glass_is_no_tissue() -> None:
    shade = np.linspace(250, 244, 700)
    pixels = np.broadcast_to(shade[None, :, None], (500, 700, 3)).astype(np.uint8)
    assert found_in(pixels).mean() < 0.01


@pytest.mark.parametrize("colour", [PINK, (120, 60, 150), (10, 10, 10)])
def test_a_slide_full_of_tissue_is_all_tissue(colour: Colour) -> None:
    pixels = glass(400, 500)
    painted(pixels, [(200, 250, 2000)], colour)
    assert found_in(pixels).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 700)])
def test_small_slides_and_slivers_of_tissue_are_found(shape: tuple[int, int]) -> None:
    assert found_in(np.full((*shape, 3), PINK, np.uint8)).all()


@pytest.mark.parametrize("shape", [(1, 6000), (3, 6000), (6000, 2)])
def test_long_slivers_of_tissue_are_found(shape: tuple[int, int]) -> None:
    """What lies outside of the slide must not dilute what lies inside."""
    assert found_in(np.full((*shape, 3), PINK, np.uint8)).all()


def test_tissue_in_the_last_rows_is_found() -> None:
    """They share their pixels of the overview with rows that do not exist."""
    pixels = glass(4099, 5003)
    pixels[-3:, 1000:4000] = PINK
    pixels[1000:3000, -3:] = PINK
    slide = ArraySlide(pixels, background=GLASS)
    mask = find_tissue(slide, plane_at_level(slide, 0))
    assert has_tissue(mask, Box(4096, 1000, 3, 3000))
    assert has_tissue(mask, Box(1000, 5000, 2000, 3))


def test_tissue_is_found_on_any_plane() -> None:
    pixels = glass(1200, 1600)
    painted(pixels, [(300, 400, 100)], PINK)
    slide = ArraySlide(pixels, background=GLASS, mpp=0.5)
    for mpp in (0.3, 0.5, 1.3):
        plane = plane_at_mpp(slide, mpp)
        mask = find_tissue(slide, plane)
        assert mask.plane == plane.box.shape
        scale = 0.5 / mpp
        assert has_tissue(mask, Box(int(300 * scale), int(400 * scale), 1, 1))
        assert has_tissue(mask, Box(int(205 * scale), int(400 * scale), 4, 4))
        assert not has_tissue(mask, Box(int(900 * scale), int(1200 * scale), 50, 50))


def test_the_overview_comes_from_the_coarsest_level_that_is_large_enough() -> None:
    levels = [np.full((4096 // f, 8192 // f, 3), 10 * f, np.uint8) for f in (1, 2, 4, 8, 16)]
    overview, unread = read_overview(ArraySlide(*levels))
    assert overview.shape == (512, 1024, 3)
    assert (overview == 80).all()
    assert unread.shape == (512, 1024)
    assert not unread.any()


@pytest.mark.parametrize("shape", [(5000, 300), (300, 5001), (10, 10), (2049, 2048), (1023, 1025)])
def test_the_overview_shows_the_slide_in_a_bounded_size(shape: tuple[int, int]) -> None:
    y, x = np.mgrid[: shape[0], : shape[1]]
    red, green = y * 255 // shape[0], x * 255 // shape[1]
    pixels = np.stack([red, green, np.full(shape, 90)], axis=-1).astype(np.uint8)
    overview, _ = read_overview(ArraySlide(pixels))
    assert max(overview.shape) <= OVERVIEW_EDGE
    rows, columns = ((np.arange(small) + 0.5) * 255 / small for small in overview.shape[:2])
    inner = overview[:-1, :-1].astype(int)
    assert np.abs(inner[..., 0] - rows[:-1, None]).max() <= 14
    assert np.abs(inner[..., 1] - columns[None, :-1]).max() <= 14


def test_threads_read_the_same_overview_and_tell_how_far_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tissue, "_READ_EDGE", 512)
    pixels = np.random.default_rng(0).integers(0, 256, (1300, 2001, 3), np.uint8)
    slide = ArraySlide(pixels, damaged=[Box(1200, 100, 9, 9)])
    alone, heard = read_overview(slide, threads=1), []
    together = read_overview(slide, threads=5, progress=heard.append)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert alone[1].any()
    assert heard == sorted(heard)
    assert len(heard) == 12
    assert heard[-1] == 1


class Reads(ArraySlide):
    """Counts how many are under way at a time."""

    def __init__(self, pixels: Pixels) -> None:
        super().__init__(pixels)
        self.lock, self.now, self.most, self.done = threading.Lock(), 0, 0, 0
        self.gate = threading.Barrier(3)

    def _read(self, level: int, box: Box) -> Pixels:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        with suppress(threading.BrokenBarrierError):
            # Nobody goes on before all of them are at it; the last ones are fewer.
            self.gate.wait(1)
        found = super()._read(level, box)
        with self.lock:
            self.now, self.done = self.now - 1, self.done + 1
        return found


def test_a_few_parts_are_read_at_a_time_and_no_more_after_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tissue, "_READ_EDGE", 512)
    slide = Reads(np.zeros((1500, 2000, 3), np.uint8))
    read_overview(slide, threads=3)
    assert (slide.most, slide.done) == (3, 12)

    def enough(share: float) -> None:
        raise KeyboardInterrupt

    slide = Reads(np.zeros((1500, 2000, 3), np.uint8))
    with pytest.raises(KeyboardInterrupt):
        read_overview(slide, threads=3, progress=enough)
    assert slide.done < 12


def test_what_cannot_be_read_counts_as_tissue() -> None:
    pixels = np.full((6000, 2000, 3), GLASS, np.uint8)
    painted(pixels, [(3500, 1000, 300)], PINK)
    damage = Box(100, 100, 50, 50)
    slide = ArraySlide(pixels, background=GLASS, damaged=[damage])
    mask = find_tissue(slide, plane_at_level(slide, 0))
    assert has_tissue(mask, damage)
    assert has_tissue(mask, Box(3500, 1000, 1, 1))
    assert not has_tissue(mask, Box(5500, 200, 300, 1000))


def test_where_nothing_can_be_read_everything_is_tissue() -> None:
    slide = ArraySlide(glass(300, 300), damaged=[Box(0, 0, 300, 300)])
    assert find_tissue(slide, plane_at_level(slide, 0)).mask.all()


def test_the_share_of_tissue_on_a_real_slide(real_slide: Path) -> None:
    with open_slide(real_slide) as slide:
        plane = plane_at_mpp(slide, 1.0)
        mask = find_tissue(slide, plane)
        share = mask.share
        assert 0.3 < share < 0.6
        whole = slide.read_region(0, slide.levels[0].box).astype(int)
    rows, columns = mask.mask.shape
    enlarged = np.asarray(
        Image.fromarray(mask.mask).resize(whole.shape[1::-1], Image.Resampling.NEAREST)
    )
    assert rows > columns
    dark = whole.max(axis=-1) < 180
    assert enlarged[dark].mean() > 0.99


def plain_plane(height: int, width: int) -> WorkingPlane:
    return WorkingPlane(height, width, 0, 1.0, 1.0, 0.5)


@given(
    mask=arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)),
    plane=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    edge=st.integers(1, 80),
)
def test_a_block_is_tissue_where_any_of_a_mask_pixel_lies(mask, plane, edge) -> None:
    grid = BlockGrid(plane, edge)
    found = TissueMask(mask, plane).blocks_in(grid)
    assert found.shape == grid.shape
    for row, column in np.ndindex(found.shape):
        parts = []
        for first, length, pixels in zip((row, column), plane, mask.shape, strict=True):
            begin, end = first * edge, min((first + 1) * edge, length)
            parts.append(slice(begin * pixels // length, -(-end * pixels // length)))
        assert found[row, column] == mask[tuple(parts)].any()


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_a_picture_is_a_mask_wherever_it_is_not_black(mode: str, tmp_path: Path) -> None:
    picture = Image.new("L", (40, 30))
    picture.paste(255, (10, 5, 20, 15))
    picture.convert(mode).save(tmp_path / "mask.png")
    mask = read_tissue_picture(tmp_path / "mask.png", plain_plane(3000, 4000))
    expected = np.zeros((30, 40), bool)
    expected[5:15, 10:20] = True
    np.testing.assert_array_equal(mask.mask, expected)
    assert mask.plane == (3000, 4000)
    assert has_tissue(mask, Box(700, 1200, 10, 10))
    assert not has_tissue(mask, Box(2500, 3500, 10, 10))


def test_labels_of_a_mask_are_not_black(tmp_path: Path) -> None:
    """A mask of zeros and ones looks black."""
    Image.fromarray(np.eye(30, dtype=np.uint8)).save(tmp_path / "mask.png")
    mask = read_tissue_picture(tmp_path / "mask.png", plain_plane(300, 300))
    np.testing.assert_array_equal(mask.mask, np.eye(30, dtype=bool))


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
def test_a_mask_is_turned_as_its_tag_says(ending: str, tag: int, tmp_path: Path) -> None:
    stored = np.zeros((16, 24), np.uint8)
    stored[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(stored).save(tmp_path / f"mask.{ending}", exif=exif)
    upright = orientation(tag).turn(stored) > 0
    mask = read_tissue_picture(
        tmp_path / f"mask.{ending}", plain_plane(*(100 * side for side in upright.shape))
    )
    np.testing.assert_array_equal(mask.mask, upright)


@pytest.mark.parametrize("size", [(297, 222), (75, 55), (741, 556), (12, 9)])
def test_rounded_shapes_of_the_slide_are_taken(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("L", size[::-1], 255).save(tmp_path / "mask.png")
    assert read_tissue_picture(tmp_path / "mask.png", plain_plane(2967, 2220)).mask.all()


@pytest.mark.parametrize("size", [(222, 297), (300, 300), (297, 240)])
def test_another_shape_than_the_slides_is_refused(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("L", size[::-1]).save(tmp_path / "mask.png")
    with pytest.raises(AnnotationError, match="not the shape of the slide"):
        read_tissue_picture(tmp_path / "mask.png", plain_plane(2967, 2220))


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\nbroken"])
def test_a_mask_that_cannot_be_read_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_tissue_picture(path, plain_plane(100, 100))


def test_a_truncated_mask_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_tissue_picture(path, plain_plane(200, 200))

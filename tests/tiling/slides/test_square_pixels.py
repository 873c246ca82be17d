"""Slides whose pixels are not square, in square ones."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import vendor_slides as made
from array_slide import ArraySlide, noise
from jpeg_slide import write_jpeg_slide
from wsiseg.errors import DamagedSlideError, ResolutionError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.resolution import level0_mpp, plane_at_level, plane_at_mpp
from wsiseg.tiling.slides import Level, with_slide_mpp, with_stored_pixels
from wsiseg.tiling.slides.pixel_size import PixelSize
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.square_pixels import SquarePixelSlide, with_square_pixels

SIDES = [(0.25, 0.5), (0.5, 0.25), (0.4, 0.25), (0.25, 0.2527)]
"""Height and width in µm; of the last, little more than what counts as square."""


def written(folder: Path, height: float, width: float) -> Path:
    """Write two levels of 512 and 256 pixels in tiles of 256."""
    tags = {"resolution": (1e4 / width, 1e4 / height), "resolutionunit": "CENTIMETER"}
    return made.write_pyramid(folder / "slide.tif", subfile=1, **tags)


def in_memory(
    *arrays: Pixels, height: float = 0.25, width: float = 0.5, **facts: object
) -> ArraySlide:
    slide = ArraySlide(*arrays)
    size = PixelSize(height, width, "array.mpp")
    slide.facts = replace(slide.facts, pixel_size=size, **facts)
    return slide


def resized(pixels: Pixels, shape: tuple[int, int], stretch: tuple[float, float]) -> Pixels:
    """Resize a picture as a whole by other means."""
    y, x = stretch
    # What Pillow is to make of the last line may begin in the picture and end outside.
    shown = min(shape[0], int(pixels.shape[0] * y)), min(shape[1], int(pixels.shape[1] * x))
    box = (0, 0, shown[1] / x, shown[0] / y)
    return np.asarray(
        Image.fromarray(pixels).resize(shown[::-1], Image.Resampling.BILINEAR, box=box)
    )


@pytest.mark.parametrize("reader", ["tifffile", "openslide"])
@pytest.mark.parametrize(("height", "width"), SIDES)
def test_pixels_are_those_of_the_file_resized(
    height: float, width: float, reader: str, tmp_path: Path
) -> None:
    path = written(tmp_path, height, width)
    with open_slide(path, reader) as slide:
        stored = with_stored_pixels(slide)
        assert isinstance(slide, SquarePixelSlide)
        assert not isinstance(stored, SquarePixelSlide)
        assert slide.reader == stored.reader == reader
        assert slide.why == stored.why
        for index, (level, own) in enumerate(zip(slide.levels, stored.levels, strict=True)):
            assert level.downsample == own.downsample == 2**index
            expected = resized(
                stored.read_region(index, own.box), level.box.shape, slide.facts.stretch
            )
            found = slide.read_region(index, level.box)[: expected.shape[0], : expected.shape[1]]
            assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("reader", ["tifffile", "openslide"])
@pytest.mark.parametrize(
    ("height", "width", "shapes", "tile", "factors"),
    [
        (0.25, 0.5, [(512, 1024), (256, 512)], (256, 512), (1, 2)),
        (0.5, 0.25, [(1024, 512), (512, 256)], (512, 256), (2, 1)),
        (0.4, 0.25, [(819, 512), (410, 256)], (410, 256), (1.6, 1)),
    ],
)
def test_facts_are_of_square_pixels(
    height: float,
    width: float,
    shapes: list[tuple[int, int]],
    tile: tuple[int, int],
    factors: tuple[float, float],
    reader: str,
    tmp_path: Path,
) -> None:
    with open_slide(written(tmp_path, height, width), reader) as slide:
        facts = slide.facts
    assert [level.box.shape for level in facts.levels] == shapes
    assert facts.pixel_size is not None
    assert facts.pixel_size.height == facts.pixel_size.width == pytest.approx(0.25)
    assert facts.mpp_source == "tiff.Resolution"
    assert facts.tile_shape == tile
    assert facts.stretch == pytest.approx(factors)
    assert facts.file_pixel_size is not None
    assert (facts.file_pixel_size.height, facts.file_pixel_size.width) == pytest.approx(
        (height, width)
    )
    told = f"of {height:g} µm in height and {width:g} µm in width are read as square ones of 0.25"
    assert told in facts.warnings[-1]


@pytest.mark.parametrize("width", [0.25, 0.2502, 0.248, 352.8, 25.0])
def test_what_is_square_or_absurd_stays_as_it_is(width: float) -> None:
    slide = in_memory(noise(40, 40), width=width)
    assert with_square_pixels(slide) is slide
    assert with_square_pixels(with_stored_pixels(slide)) is slide
    assert slide.facts.stretch == (1, 1)


def test_one_absurd_side_is_not_believed() -> None:
    with pytest.raises(ResolutionError, match=r"0.25 µm in height and 30 µm in width \(array"):
        level0_mpp(in_memory(noise(40, 40), width=30.0))


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([1.0101, 1.3, 2.0, 3.7]),
    st.booleans(),
    st.data(),
)
def test_a_box_is_cut_out_of_the_whole(
    shape: tuple[int, int], factor: float, upright: bool, data: st.DataObject
) -> None:
    sides = {"height": factor, "width": 1.0} if upright else {"height": 1.0, "width": factor}
    slide = with_square_pixels(in_memory(noise(*shape), **sides))
    whole = slide.read_region(0, slide.levels[0].box)
    height, width = whole.shape[:2]
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Box(y, x, data.draw(st.integers(1, height - y)), data.draw(st.integers(1, width - x)))
    part = slide.read_region(0, box)
    np.testing.assert_array_equal(part, whole[y : box.bottom, x : box.right])


@pytest.mark.parametrize(("height", "width"), [(0.25, 0.5), (0.5, 0.25), (0.3, 0.25)])
@pytest.mark.parametrize("bounds", [None, Box(11, 13, 31, 33)])
def test_nothing_from_outside_shines_in(height: float, width: float, bounds: Box | None) -> None:
    full, half = np.full((60, 70, 3), 10, np.uint8), np.full((30, 35, 3), 10, np.uint8)
    slide = with_square_pixels(in_memory(full, half, height=height, width=width, bounds=bounds))
    scanned = slide.facts.scanned_box(0)
    assert (slide.read_region(0, scanned) == 10).all()
    around = Box(scanned.y - 1, scanned.x - 1, scanned.height + 2, scanned.width + 2)
    assert (slide.read_region(0, around)[[0, -1]] == 255).all()
    assert (slide.read_region(0, around)[:, [0, -1]] == 255).all()
    if bounds is not None:
        assert slide.facts.to_file_pixels(scanned) == bounds


@given(
    st.builds(Box, *[st.integers(0, 200_000)] * 4),
    st.floats(1.0101, 400, exclude_min=True),
    st.booleans(),
)
def test_boxes_of_the_file_come_back(box: Box, factor: float, upright: bool) -> None:
    y, x = (factor, 1.0) if upright else (1.0, factor)
    assert box.scaled(y, x).scaled(1 / y, 1 / x) == box


def test_a_slide_as_thin_as_a_pixel() -> None:
    slide = with_square_pixels(in_memory(np.full((1, 1, 3), 7, np.uint8)))
    assert slide.levels == (Level(1, 2, 1.0),)
    assert (slide.read_region(0, Box(0, 0, 1, 2)) == 7).all()


def test_working_planes_have_the_shape_of_what_was_scanned() -> None:
    slide = with_square_pixels(in_memory(noise(400, 300), noise(200, 150)))
    plane = plane_at_level(slide, 0)
    assert (plane.height, plane.width, plane.mpp) == (400, 600, 0.25)
    plane = plane_at_mpp(slide, 1.0)
    assert (plane.height, plane.width, plane.level, plane.level_scale) == (100, 150, 1, 2.0)


def test_damage_is_met_only_where_it_is() -> None:
    slide = in_memory(noise(64, 64))
    slide.damaged = [Box(0, 32, 64, 32)]
    seen = with_square_pixels(slide)
    whole = with_square_pixels(in_memory(noise(64, 64))).read_region(0, Box(0, 0, 64, 128))
    # The last column before the damage takes a quarter of its own from behind the border.
    np.testing.assert_array_equal(seen.read_region(0, Box(0, 0, 64, 63)), whole[:, :63])
    with pytest.raises(DamagedSlideError):
        seen.read_region(0, Box(0, 0, 64, 64))


def test_what_is_announced_is_what_will_be_read() -> None:
    told, read = [], []

    class Watched(ArraySlide):
        def announce(self, level, box):
            told.append((level, box))
            return told.clear

        def read_region(self, level, box):
            read.append((level, box))
            return super().read_region(level, box)

    slide = Watched(noise(64, 64))
    slide.facts = replace(slide.facts, pixel_size=PixelSize(0.25, 0.4, "array.mpp"))
    seen = with_square_pixels(slide)
    done = seen.announce(0, Box(-5, 30, 40, 40))
    seen.read_region(0, Box(-5, 30, 40, 40))
    assert told == read == [(0, Box(0, 18, 35, 26))]
    done()
    assert not told
    seen.announce(0, Box(500, 500, 10, 10))()
    assert not told


def test_jpeg_is_not_decoded_in_another_shape(tmp_path: Path) -> None:
    """At a quarter of the pixels, those of a JPEG could come reduced."""
    path = write_jpeg_slide(tmp_path / "slide.tif", 256, 384)
    with open_slide(path) as stored:
        assert stored.reductions(0)
        shown = stored.read_region(0, stored.levels[0].box)
        stored.facts = replace(stored.facts, pixel_size=PixelSize(0.25, 0.5, "array.mpp"))
        found, expected = (
            read_working_box(seen, plane, plane.box)
            for seen in (with_square_pixels(stored), with_square_pixels(in_memory(shown)))
            for plane in [plane_at_mpp(seen, 1.0)]
        )
    np.testing.assert_array_equal(found, expected)


def test_copies_read_the_same(tmp_path: Path) -> None:
    with open_slide(written(tmp_path, 0.25, 0.5)) as slide:
        assert isinstance(slide, SquarePixelSlide)
        copy = pickle.loads(pickle.dumps(slide))
        with copy:
            assert copy.facts == slide.facts
            assert (
                copy.fingerprint() == slide.fingerprint() == with_stored_pixels(slide).fingerprint()
            )
            box = Box(100, 200, 60, 90)
            np.testing.assert_array_equal(copy.read_region(0, box), slide.read_region(0, box))


def test_pictures_beside_the_slide_pass_through(real_slide: Path) -> None:
    with open_slide(real_slide) as slide:
        pixels = slide.read_associated("label")
        slide.facts = replace(slide.facts, pixel_size=PixelSize(0.25, 0.5, "a"))
        seen = with_square_pixels(slide)
        assert seen.facts.associated == slide.facts.associated
        np.testing.assert_array_equal(seen.read_associated("label"), pixels)


@pytest.mark.parametrize("width", [0.5, 1.01])
def test_pixels_as_they_are_have_no_one_size(width: float) -> None:
    """As the file has them, or where nobody can have meant their shape."""
    slide = in_memory(noise(40, 60), height=0.25, width=width)
    assert (with_square_pixels(slide) is slide) == (width > 1)
    assert plane_at_level(slide, 0).mpp is None
    with pytest.raises(ResolutionError, match="taken as they are, not square"):
        plane_at_mpp(slide, 1.0)
    assert plane_at_mpp(with_slide_mpp(slide, 0.25, override=True), 0.5).height == 20

"""Levels of slides: exact, lazy, and together with the masks at every zoom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from array_slide import ArraySlide, noise
from wsiseg.store.pyramid import level_shapes
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.pixel_size import PixelSize
from wsiseg.tiling.slides.slide import Slide, SlideFacts, make_levels
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import SlideView, slide_layer
from wsiseg.viewer.layers.levels import CHUNK, slide_levels, slide_planes

EDGE = 100_000


class PaintedSlide(Slide):
    """A large slide that paints what is read, and counts it."""

    reader = "painted"

    def __init__(self, path, edge=EDGE):
        super().__init__(path)
        self.facts = SlideFacts(
            levels=make_levels([(-(-edge // 4**k),) * 2 for k in range(4)]),
            pixel_size=PixelSize(0.25, 0.25, "painted"),
            vendor="painted",
        )
        self.read = []

    def _read(self, level, box):
        self.read.append((level, box))
        return np.full((*box.shape, 3), 40 * level + 20, np.uint8)

    def close(self):
        pass


def fail(error):
    raise error


@given(st.integers(1, 300_000), st.integers(1, 300_000))
def test_levels_halve_as_those_of_masks_do(height, width):
    slide = ArraySlide(np.broadcast_to(np.uint8(0), (height, width, 3)))
    shapes = [(plane.height, plane.width) for plane in slide_planes(slide)]
    assert shapes == level_shapes(height, width)


def test_level_0_is_the_slide_to_the_pixel():
    pixels = noise(1500, 1200)
    levels = slide_levels(ArraySlide(pixels), fail)
    np.testing.assert_array_equal(np.asarray(levels[0]), pixels)
    assert levels[0].dtype == np.uint8


def test_a_level_that_the_file_has_is_taken_as_it_is():
    pixels = noise(2048, 1800)
    half = noise(1024, 900, seed=2)
    levels = slide_levels(ArraySlide(pixels, half), fail)
    np.testing.assert_array_equal(np.asarray(levels[1]), half)


def test_a_level_that_the_file_lacks_is_made_of_the_next_finer_one():
    slope = np.add.outer(np.arange(2048) // 16, np.arange(2000) // 16).astype(np.uint8)
    levels = slide_levels(ArraySlide(np.repeat(slope[..., None], 3, axis=2)), fail)
    assert len(levels) == 2
    mean = slope.reshape(1024, 2, 1000, 2).mean((1, 3))
    assert np.abs(np.asarray(levels[1])[..., 0] - mean).max() <= 1


def test_only_what_is_looked_at_is_read(tmp_path):
    slide = PaintedSlide(tmp_path)
    levels = slide_levels(slide, fail)
    assert not slide.read
    view = np.asarray(levels[0][50_000:51_000, 20_000:21_500])
    assert (view == 20).all()
    area = sum(box.area for _, box in slide.read)
    assert view.shape[0] * view.shape[1] <= area <= (1000 + CHUNK) * (1500 + CHUNK)
    slide.read.clear()
    np.asarray(levels[-1])
    assert {level for level, _ in slide.read} == {3}


def test_what_cannot_be_read_is_glass_and_told_of():
    slide = ArraySlide(noise(1200, 1200), damaged=[Box(0, 0, 10, 10)])
    told = []
    (first, _) = slide_levels(slide, told.append)
    assert (np.asarray(first[:CHUNK, :CHUNK]) == 255).all()
    assert (np.asarray(first[CHUNK:, CHUNK:]) != 255).any()
    assert "gone" in str(told[0])


@pytest.mark.parametrize("edge", [pytest.param(EDGE, marks=pytest.mark.long), 99_999])
def test_a_huge_slide_pans_by_reading_the_screen(make_napari_viewer, settle, qtbot, tmp_path, edge):
    slide = PaintedSlide(tmp_path, edge)
    data, settings, _ = slide_layer(SlideView(slide, Frame.of(slide)), fail)
    viewer = make_napari_viewer(show=True)
    viewer.add_image(data, **settings)
    settle()
    # The overview, and the smallest level for the thumbnail.
    assert min(level for level, _ in slide.read) >= 2
    viewer.scene.camera.zoom = 1 / slide.mpp
    for step in range(4):
        slide.read.clear()
        viewer.scene.camera.center = (0, 12_000 + 200 * step, 12_000)
        qtbot.waitUntil(lambda: bool(slide.read))
        settle()
        assert {level for level, _ in slide.read} == {0}
        area = sum(box.area for _, box in slide.read)
        assert area <= np.prod(np.array(viewer.canvas.size) + 2 * CHUNK)

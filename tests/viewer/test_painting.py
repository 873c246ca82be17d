"""A painting lies where it is drawn, and begins as a mask at any resolution."""

import numpy as np
import pytest
import shapely

from array_slide import ArraySlide
from blots import CLASSES, MIDDLE, WHOLE, WIDTH, blots, view_of
from wsiseg.errors import ArgumentError
from wsiseg.store.label_images import open_label_image
from wsiseg.tiling import Box
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import MaskView, SlideView, mask_frame
from wsiseg.viewer.painting import (
    labels_under,
    mask_mpp,
    numbered,
    painting_layer,
    region_at,
    working_plane,
)
from wsiseg.viewer.saving import save_painting


def test_the_middle_lies_in_the_middle():
    region = region_at(view_of(), Box(160, 320, 160, 80), 0.8, CLASSES)
    assert region.box == Box(100, 200, 100, 50)
    _, settings, _ = painting_layer(region)
    assert settings["scale"] == pytest.approx((0.8, 0.8))
    # The centre of the first working pixel, from that of the slide's first pixel.
    assert settings["translate"] == pytest.approx((80 + 0.15, 160 + 0.15))


def test_too_large_a_region_tells_what_would_fit():
    slide = ArraySlide(np.broadcast_to(np.uint8(0), (9000, 5000, 3)))
    view = SlideView(slide, Frame.of(slide))
    with pytest.raises(ArgumentError, match=r"5000×9000.*1\.1 µm") as caught:
        region_at(view, slide.levels[0].box, None, CLASSES)
    assert "\n" not in str(caught.value)
    assert max(region_at(view, slide.levels[0].box, 1.1, CLASSES).box.shape) <= 4096


@pytest.mark.parametrize(
    ("slide_box", "classes", "message"),
    [(Box(9000, 0, 10, 10), CLASSES, "outside"), (MIDDLE, {}, "no class")],
)
def test_there_must_be_something_to_paint(slide_box, classes, message):
    with pytest.raises(ArgumentError, match=message):
        region_at(view_of(), slide_box, None, classes)


def test_without_mpp_one_works_at_level_0():
    view = view_of(mpp=None)
    assert working_plane(view).slide_scale == 1
    with pytest.raises(ArgumentError, match=r"unknown, so 0\.8 µm/px cannot be painted at"):
        working_plane(view, 0.8)
    _, settings, _ = painting_layer(region_at(view, MIDDLE, None, CLASSES))
    assert settings["translate"] == (121, 203)
    assert set(settings["units"]) == {"pixel"}


def test_a_box_holds_what_is_drawn():
    drawn = shapely.Polygon([(10.5, 20.2), (900, 20.2), (10.5, 90.9)])
    assert view_of().box_around(drawn) == Box(20, 10, 71, WIDTH - 10)


@pytest.mark.parametrize("mpp", [0.8, 0.5, 1.3])
def test_a_mask_is_a_start_at_any_resolution(mpp, tmp_path):
    view = view_of()
    whole = region_at(view, WHOLE, 0.8, CLASSES)
    labels = blots(whole.box.shape)
    image = open_label_image(save_painting(whole, labels, tmp_path))
    mask = MaskView(image, mask_frame(image))
    assert mask_mpp(mask) == pytest.approx(0.8)
    region = region_at(view, MIDDLE, mpp, numbered(image.classes))
    y, x = (
        np.floor((np.arange(start, start + length) + 0.5) * mpp / 0.8 + 1e-6).astype(int)
        for start, length in ((region.box.y, region.box.height), (region.box.x, region.box.width))
    )
    for start, values in ((mask, image.values), (whole, labels)):
        np.testing.assert_array_equal(labels_under(start, values, region), labels[np.ix_(y, x)])


def test_what_a_start_does_not_cover_or_name_is_not_annotated():
    view = view_of()
    small = region_at(view, Box(0, 0, 100, 100), None, {3: CLASSES[0], 5: CLASSES[1]})
    values = np.full((100, 100), 5, np.uint8)
    values[:50] = 7
    found = labels_under(small, values, region_at(view, Box(0, 0, 200, 200), None, CLASSES))
    assert (found[:50] == NO_LABEL).all()
    assert (found[50:100, :100] == 1).all()
    assert (found[:, 100:] == NO_LABEL).all()

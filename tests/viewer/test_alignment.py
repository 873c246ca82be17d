"""On the screen, a mask's colours stand where its pixels are: on the slide, at every zoom."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from array_slide import ArraySlide
from wsiseg.models.class_sets import LabelClass
from wsiseg.store.label_images import open_label_image
from wsiseg.store.masks import MaskStore
from wsiseg.store.metadata import Placement
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import plane_at_mpp
from wsiseg.tiling.stitching import Band
from wsiseg.viewer.frame import Frame
from wsiseg.viewer.layers import SlideView, mask_layer, slide_layer

CLASSES = [LabelClass("red", (255, 0, 0)), LabelClass("blue", (0, 0, 255))]
COLOURS = np.array([entry.colour for entry in CLASSES], np.uint8)
HEIGHT, WIDTH, MPP = 2301, 3003, 0.25


def draw_patches():
    """Return labels of large patches, so that most pixels lie away from any border."""
    coarse = np.random.default_rng(4).integers(0, 2, (9, 11), np.uint8)
    return np.kron(coarse, np.ones((280, 280), np.uint8))[:HEIGHT, :WIDTH]


def sample(truth, plane):
    """Return what a perfect network would say of each working pixel: the label at its centre."""
    rows = np.minimum((np.arange(plane.height) + 0.5) * plane.slide_scale, HEIGHT - 1).astype(int)
    columns = np.minimum((np.arange(plane.width) + 0.5) * plane.slide_scale, WIDTH - 1).astype(int)
    return truth[rows[:, None], columns]


def write_mask(path, labels, placement):
    store = MaskStore(path, labels.shape, CLASSES)
    for top in range(0, labels.shape[0], 1024):
        part = labels[top : top + 1024]
        store.write(Band(Box(top, 0, *part.shape), part, None))
    store.finish("patches", placement, {"slide_scale": placement.slide_scale})


def see(viewer, layer, settle):
    """Return which of the two classes the screen shows where; -1 where neither."""
    for each in viewer.layers:
        each.visible = each is layer
    settle()
    shot = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    distance = np.abs(shot[:, :, None] - COLOURS).sum(-1)
    return np.where(distance.min(-1) < 150, distance.argmin(-1), -1)


@pytest.mark.parametrize(
    ("mpp", "bounds"),
    [(0.25, None), (0.5, Box(300, 500, 1700, 2000)), (0.4, None), (1.1, None), (0.1, None)],
)
def test_mask_and_slide_show_the_same(make_napari_viewer, settle, tmp_path, mpp, bounds):
    truth = draw_patches()
    slide = ArraySlide(COLOURS[truth], np.ascontiguousarray(COLOURS[truth][::4, ::4]), mpp=MPP)
    slide.facts = replace(slide.facts, bounds=bounds)
    plane = plane_at_mpp(slide, mpp)
    path = tmp_path / "patches.ome.zarr"
    write_mask(path, sample(truth, plane), Placement(plane.mpp, plane.slide_scale))
    viewer = make_napari_viewer(show=True)
    frame = Frame.of(slide)
    data, settings, _ = slide_layer(SlideView(slide, frame), pytest.fail)
    pixels = viewer.add_image(data, **settings)
    data, settings, _ = mask_layer(open_label_image(path), frame, pytest.fail)
    mask = viewer.add_labels(data, **settings | {"opacity": 1.0})
    settle()
    fitting = viewer.scene.camera.zoom
    # From the overview to a working pixel as large as three of the screen.
    for zoom in (fitting, 1.0, 3 / mpp):
        viewer.scene.camera.zoom = zoom
        for y, x in ((HEIGHT / 2, WIDTH / 2), (2240, 2800)):
            viewer.scene.camera.center = (0, y * MPP, x * MPP)
            on_slide, on_mask = see(viewer, pixels, settle), see(viewer, mask, settle)
            # A border is as exact as the coarser of a pixel of the screen and one of the mask.
            reach = 1 + int(np.ceil(max(mpp, MPP) * zoom / 2))
            borders = ndimage.maximum_filter(on_slide, 3) != ndimage.minimum_filter(on_slide, 3)
            clear = ~ndimage.maximum_filter(borders | (on_slide < 0), 2 * reach + 1)
            assert clear.mean() > 0.2
            assert (on_mask[clear] == on_slide[clear]).all()

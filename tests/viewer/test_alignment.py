"""On the screen, a mask's colours stand where its pixels are: on the slide, at every zoom."""

import numpy as np
import pytest
import tifffile
from napari.settings import get_settings
from scipy import ndimage

import vendor_slides
import wsiseg
from array_slide import ArraySlide
from reddish import CLASSES, reddish_checkpoint
from repetitions import some_of
from wsiseg.store.label_images import open_label_image
from wsiseg.store.masks import MaskStore
from wsiseg.store.metadata import Placement
from wsiseg.tiling.bands import Band
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import plane_at_mpp
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import MaskView, SlideView, mask_layer, slide_layer
from wsiseg.viewer.opening import scene_layers
from wsiseg.viewer.scene import add_layers

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


def see(viewer, layer, qtbot, settle):
    """Return which of the two classes the screen shows where; -1 where neither."""
    for each in viewer.layers:
        each.visible = each is layer
    settle()
    qtbot.waitUntil(lambda: layer.loaded)
    shot = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    distance = np.abs(shot[:, :, None] - COLOURS).sum(-1)
    return np.where(distance.min(-1) < 150, distance.argmin(-1), -1)


@pytest.mark.parametrize(
    ("mpp", "in_thread"),
    some_of(
        [(0.25, False), (0.5, False), (0.4, False), (0.4, True), (1.1, False), (0.1, False)],
        [(0.4, False), (0.4, True), (1.1, False)],
    ),
)
def test_mask_and_slide_show_the_same(
    make_napari_viewer, qtbot, settle, tmp_path, monkeypatch, mpp, in_thread
):
    truth = draw_patches()
    slide = ArraySlide(COLOURS[truth], np.ascontiguousarray(COLOURS[truth][::4, ::4]), mpp=MPP)
    plane = plane_at_mpp(slide, mpp)
    path = tmp_path / "patches.ome.zarr"
    write_mask(path, sample(truth, plane), Placement(plane.mpp, plane.slide_scale))
    viewer = make_napari_viewer(show=True)
    # `wsiseg view` has pixels read in a thread, napari by itself reads them in the event loop.
    monkeypatch.setattr(get_settings().experimental, "async_", in_thread)
    frame = Frame.of(slide)
    data, settings, _ = slide_layer(SlideView(slide, frame), pytest.fail)
    pixels = viewer.add_image(data, **settings)
    data, settings, _ = mask_layer(MaskView(open_label_image(path), frame), pytest.fail)
    mask = viewer.add_labels(data, **settings | {"opacity": 1.0})
    settle()
    fitting = viewer.scene.camera.zoom
    # From the overview to a working pixel as large as three of the screen.
    for zoom in (fitting, 1.0, 3 / mpp):
        viewer.scene.camera.zoom = zoom
        for y, x in ((HEIGHT / 2, WIDTH / 2), (2240, 2800)):
            viewer.scene.camera.center = (0, y * MPP, x * MPP)
            on_slide, on_mask = (see(viewer, each, qtbot, settle) for each in (pixels, mask))
            # A border is as exact as the coarser of a pixel of the screen and one of the mask.
            reach = 1 + int(np.ceil(max(mpp, MPP) * zoom / 2))
            borders = ndimage.maximum_filter(on_slide, 3) != ndimage.minimum_filter(on_slide, 3)
            clear = ~ndimage.maximum_filter(borders | (on_slide < 0), 2 * reach + 1)
            assert clear.mean() > 0.2
            assert (on_mask[clear] == on_slide[clear]).all()


def write_slide(path):
    """Write patches that differ wherever one looks, with a corner that was not scanned."""
    labels = np.random.default_rng(6).integers(0, 2, (90, 110), np.uint8)
    pixels = COLOURS[np.kron(labels, np.ones((9, 9), np.uint8))]
    resolution = {"resolution": (1e4 / MPP,) * 2, "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb", **resolution)
    return path


@pytest.mark.parametrize("mpp", some_of([0.25, 0.4, 0.7, 1.1], [0.4, 0.7]))
def test_every_pixel_of_a_mask_of_segment_stands_in_its_place(
    make_napari_viewer, qtbot, settle, tmp_path, mpp
):
    """Twenty pixels of the screen to one of the mask: half a pixel off would be ten."""
    path = write_slide(tmp_path / "patches.tiff")
    options = {"runtime": "torch", "tissue": "none"}
    result = wsiseg.segment(path, reddish_checkpoint(mpp), tmp_path, **options)
    viewer = make_napari_viewer(show=True)
    viewer.open(str(path), plugin="wsiseg")
    (mask,) = viewer.open(str(result.mask), plugin="wsiseg")
    mask.opacity = 1.0
    viewer.scene.camera.zoom = zoom = 20 / mpp
    viewer.scene.camera.center = (0, 101.3, 97.7)
    seen = see(viewer, mask, qtbot, settle)
    # Where each pixel of the screen lies, in pixels of the slide's level 0 and then of the mask.
    spots = []
    for centre, length in zip((101.3, 97.7), seen.shape, strict=True):
        world = centre + (np.arange(length) + 0.5 - length / 2) / zoom
        spots.append((world / MPP + 0.5) * (MPP / mpp))
    expected = result.labels[:][np.ix_(*(spot.astype(int) for spot in spots))]
    clear = [np.abs(spot - np.round(spot)) > 1.5 / 20 for spot in spots]
    inside = np.ix_(*clear)
    assert expected[inside].std() > 0.3
    assert (seen[inside] == expected[inside]).all()


@pytest.mark.parametrize("build", [vendor_slides.mirax, vendor_slides.leica])
@pytest.mark.parametrize("level", [0, pytest.param(1, marks=pytest.mark.long)])
def test_a_mask_lies_on_a_slide_of_which_a_part_was_scanned(
    make_napari_viewer, qtbot, settle, tmp_path, build, level
):
    path = build(tmp_path)
    options = {"runtime": "torch", "tissue": "none", "level": level, "tile": 256}
    result = wsiseg.segment(path, reddish_checkpoint(), tmp_path / "out", **options)
    viewer = make_napari_viewer(show=True)
    add_layers(viewer, scene_layers(path, [result.mask]))
    slide, mask = viewer.layers[0], viewer.layers[-1]
    mask.opacity = 1.0
    with wsiseg.open_slide(path) as opened:
        bounds = opened.facts.bounds
        centre = np.array([bounds.y + bounds.height / 2, bounds.x + bounds.width / 2]) * opened.mpp
        viewer.scene.camera.center = (0, *centre)
        viewer.scene.camera.zoom = 400 / (bounds.height * opened.mpp)
    on_mask = see(viewer, mask, qtbot, settle)
    for each in viewer.layers:
        each.visible = each is slide
    settle()
    qtbot.waitUntil(lambda: slide.loaded)
    shot = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    on_slide = (shot[..., 2] > shot[..., 0]).astype(int)
    # Away from what is nearly as red as blue, and from borders.
    doubtful = np.abs(shot[..., 2] - shot[..., 0]) < 20
    borders = ndimage.maximum_filter(on_slide, 3) != ndimage.minimum_filter(on_slide, 3)
    clear = ~ndimage.maximum_filter(borders | doubtful, 9)
    middle = tuple(slice(side // 2 - 180, side // 2 + 180) for side in clear.shape)
    clear, on_mask, on_slide = clear[middle], on_mask[middle], on_slide[middle]
    assert clear.mean() > 0.1
    assert {0, 1} == set(np.unique(on_slide[clear]))
    assert (on_mask[clear] == on_slide[clear]).all()

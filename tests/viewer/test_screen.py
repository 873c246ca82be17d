"""What stands on the screen beside slide and mask: tissue, borders, heat map, scale bar, legend."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

import wsiseg
from repetitions import some_of
from wsiseg.classes import LabelClass, numbered_classes
from wsiseg.store.label_images import open_label_image
from wsiseg.store.masks import MaskStore
from wsiseg.store.metadata import Placement
from wsiseg.throughput.tile_costs import milliseconds
from wsiseg.tiling.bands import NO_LABEL, Band
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.tiling.tissue import find_tissue
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import KEY, TISSUE, MaskView, mask_layer, throughput_layer
from wsiseg.viewer.layers.run_tiles import read_tiles
from wsiseg.viewer.opening import furnish, scene_layers
from wsiseg.viewer.painting import painting_layer, region_at
from wsiseg.viewer.scene import add_layers, current_slide
from wsiseg.viewer.widgets.legend import LegendWidget

GREEN, OUTLINE = (0, 160, 64), (0, 179, 179)
BLACK, WHITE, PINK = (0, 0, 0), (255, 255, 255), (244, 168, 196)
NEAR = 11
"""Edge in pixels of the screen within which two lines are one."""


@pytest.fixture
def shoot(make_napari_viewer, qtbot, settle):
    """Return a function that shows layers alone and gives the screen and where its pixels lie."""
    viewer = make_napari_viewer(show=True)

    def take(zoom=None, only=None):
        for layer in viewer.layers:
            layer.visible = only is None or only(layer)
        if zoom is not None:
            viewer.scene.camera.zoom = zoom
        settle()
        qtbot.waitUntil(lambda: all(layer.loaded for layer in viewer.layers if layer.visible))
        settle()
        shot = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
        camera = viewer.scene.camera
        world = [
            centre + (np.arange(length) + 0.5 - length / 2) / camera.zoom
            for centre, length in zip(camera.center[-2:], shot.shape, strict=False)
        ]
        return shot, world

    take.viewer = viewer
    return take


def close_to(shot, colour, tolerance=60):
    return np.abs(shot - colour).sum(-1) < tolerance


def test_the_outline_runs_along_the_border_of_the_tissue(shoot, slide_file):
    add_layers(shoot.viewer, scene_layers(slide_file, []))
    shot, (y, x) = shoot(only=lambda layer: layer.metadata.get(KEY) == TISSUE)
    outline = close_to(shot, OUTLINE)
    with wsiseg.open_slide(slide_file) as slide:
        tissue = find_tissue(slide, plane_at_level(slide, 0)).mask
        level = slide.levels[0]
    scale = np.array([level.height, level.width]) * 0.5 / tissue.shape
    # One cell of glass all around.
    cells = [
        np.clip(np.floor(axis / step).astype(int) + 1, 0, side + 1)
        for axis, step, side in zip((y, x), scale, tissue.shape, strict=True)
    ]
    on_screen = np.pad(tissue, 1)[np.ix_(*cells)]
    border = ndimage.maximum_filter(on_screen, 3) != ndimage.minimum_filter(on_screen, 3)
    assert outline.any()
    assert not (outline & ~ndimage.maximum_filter(border, NEAR)).any()
    assert (ndimage.maximum_filter(outline, NEAR) | ~border).all()


def test_nothing_covers_what_was_not_analysed_and_classes_have_their_colours(shoot, tmp_path):
    labels = np.full((60, 90), NO_LABEL, np.uint8)
    labels[:, 30:60], labels[:, 60:] = 0, 1
    classes = [LabelClass("red", (230, 20, 20)), LabelClass("blue", (30, 30, 220))]
    store = MaskStore(tmp_path / "m.ome.zarr", labels.shape, classes)
    store.write(Band(Box(0, 0, *labels.shape), labels, None))
    store.finish("m", Placement(1.0, 1.0), {})
    view = MaskView(open_label_image(store.path), Frame(1.0, "um"))
    data, settings, kind = mask_layer(view, pytest.fail)
    add_layers(shoot.viewer, [(data, settings | {"opacity": 1.0}, kind)])
    shot, (y, x) = shoot(zoom=5)
    rows = (y > 2) & (y < 57)
    glass = shot[rows][:, (x < -3) & (x > -10)]
    bare, red, blue = (shot[rows][:, (x > a + 2) & (x < a + 27)] for a in (0, 30, 60))
    assert (glass == glass[0, 0]).all()
    np.testing.assert_array_equal(bare, glass[0, 0] + 0 * bare)
    for part, entry in ((red, classes[0]), (blue, classes[1])):
        np.testing.assert_allclose(part, np.array(entry.colour) + 0 * part, atol=2)


def test_slow_tiles_are_brighter(shoot, mask_store):
    tiles = read_tiles(open_label_image(mask_store))
    rows = sorted(tiles.rows, key=lambda row: row.index)
    slow = rows[len(rows) // 2]
    costs = [replace(row, forward_ms=5000.0 if row is slow else 1.0) for row in rows]
    tiles = replace(tiles, rows=costs)
    heat, factor = tiles.heat_map()
    add_layers(shoot.viewer, [throughput_layer(tiles, Frame(0.5, "um"))])
    shot, (y, x) = shoot()
    pixel = 0.5 * tiles.slide_scale * factor
    at = [np.round(axis / pixel).astype(int) for axis in (y, x)]
    there = [(i >= 0) & (i < side) for i, side in zip(at, heat.shape, strict=True)]
    shown = shot[np.ix_(*there)].sum(-1)
    expected = heat[np.ix_(*(i[keep] for i, keep in zip(at, there, strict=True)))]
    hot = expected > 4000
    assert 0 < hot.sum() < hot.size
    inner = ndimage.minimum_filter(hot, 9), ndimage.minimum_filter(~hot, 9)
    assert shown[inner[0]].min() > shown[inner[1]].max()
    assert milliseconds(slow) < 4000


@pytest.mark.parametrize("zoom", some_of([0.3, 1.0, 7.0], [0.3]))
def test_the_scale_bar_is_as_long_as_a_round_number_of_micrometres(shoot, slide_file, zoom):
    add_layers(shoot.viewer, scene_layers(slide_file, []))
    furnish(shoot.viewer)
    shot, _ = shoot(zoom=zoom, only=lambda _: False)
    longest = close_to(shot, WHITE).sum(axis=1).max()
    micrometres = longest / zoom
    digits = np.array([1, 1.25, 1.5, 2, 2.5, 5, 7.5])
    sizes = (digits * 10.0 ** np.arange(0, 4)[:, None]).ravel()
    assert longest > 40
    # The ends are rounded to pixels, and as thick as the line.
    assert np.abs(sizes - micrometres).min() * zoom < 4, micrometres


@pytest.mark.parametrize("ground", some_of([(PINK,), (WHITE,), (BLACK,)], [(PINK,)]))
def test_the_scale_bar_is_read_on_every_ground(shoot, ground):
    pixels = np.zeros((1000, 1000, 3), np.uint8) + np.uint8(ground)
    shoot.viewer.add_image(pixels, rgb=True, units=("um", "um"))
    furnish(shoot.viewer)
    shot, _ = shoot(zoom=1.5)
    # The white line of the bar lies between dark ones, whatever is shown.
    lower = shot[shot.shape[0] // 2 :]
    dark = lower.sum(-1) < 300
    lines = close_to(lower, WHITE)[5:-5] & dark[:-10] & dark[10:]
    assert lines.sum(axis=1).max() > 40


def test_a_painting_has_a_border_and_no_veil(shoot, slide_file):
    add_layers(shoot.viewer, scene_layers(slide_file, []))
    slide = current_slide(shoot.viewer)
    painting = painting_layer(region_at(slide, Box(600, 700, 300, 400), None, numbered_two()))
    shown, _ = shoot(zoom=2.0, only=lambda layer: layer.name == "biopsy")
    add_layers(shoot.viewer, [painting])
    names = ("biopsy", "biopsy painting")
    shot, (y, x) = shoot(zoom=2.0, only=lambda layer: layer.name in names)
    # In µm from the centre of the first pixel, of 0.5 µm.
    inside = [
        (axis > low + 2) & (axis < high - 2) for axis, low, high in ((y, 300, 450), (x, 350, 550))
    ]
    np.testing.assert_array_equal(shot[np.ix_(*inside)], shown[np.ix_(*inside)])
    green = close_to(shot, GREEN)
    left, right = (abs(x - edge) < 2 for edge in (349.75, 549.75))
    rows = (y > 305) & (y < 445)
    for edge in (left, right):
        assert green[np.ix_(rows, edge)].any(axis=1).all()
    assert not green[np.ix_(*inside)].any()


def numbered_two():
    return dict(enumerate(numbered_classes(2)))


def test_the_legend_shows_every_colour_beside_its_name(make_napari_viewer, qtbot, mask_store):
    viewer = make_napari_viewer()
    view = MaskView(open_label_image(mask_store), Frame(0.5, "um"))
    add_layers(viewer, [mask_layer(view, pytest.fail)])
    legend = LegendWidget(viewer)
    qtbot.addWidget(legend)
    legend.show()
    qtbot.waitExposed(legend)
    assert legend.list.topLevelItemCount() == len(view.classes) + 1
    screen = legend.list.viewport().grab().toImage()
    for row, (_, entry) in enumerate(sorted(view.classes.items())):
        item = legend.list.topLevelItem(row)
        place = legend.list.visualItemRect(item)
        # All rows are seen without scrolling.
        assert legend.list.viewport().rect().contains(place)
        assert item.text(0) == entry.name
        line = [screen.pixelColor(x, place.center().y()).getRgb()[:3] for x in range(60)]
        assert entry.colour in line
    assert legend.list.topLevelItem(row + 1).text(0) == "not analysed"

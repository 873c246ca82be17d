"""Painting in the window: through napari's own tools, to the disk and back."""

import gc
import shutil

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from qtpy.QtGui import QColor

from painting import AREA, TWO, begin, furnish, read_on_slide, wait_for_work
from tiny import tiny_checkpoint
from wsiseg.classes import LabelClass
from wsiseg.store.label_images import open_label_image
from wsiseg.tiling import Box
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.layers.layer_data import KEY
from wsiseg.viewer.painting import painting_layer, region_at
from wsiseg.viewer.saving import annotation_path
from wsiseg.viewer.scene import current_slide
from wsiseg.viewer.widgets.annotating import AnnotateWidget


@pytest.mark.parametrize("kind", ["OME-Zarr", "GeoJSON"])
@pytest.mark.parametrize("mpp", [None, 0.8])
def test_what_is_painted_comes_back_on_the_slide(window, slide_file, qtbot, tmp_path, kind, mpp):
    viewer, widget = window
    widget.mpp.setValue(mpp or 0)
    layer = begin(viewer, widget)
    assert isinstance(layer, Labels)
    assert layer.data.dtype == np.uint8
    assert (np.asarray(layer.data) == NO_LABEL).all()
    layer.brush_size = 31
    layer.paint((60, 70), 0)
    layer.paint((80, 90), 1)
    layer.paint_polygon([(150, 100), (220, 130), (180, 200)], 1)
    layer.fill((150, 300), 0)
    layer.paint((81, 91), layer.colormap.background_value)
    assert set(np.unique(layer.data)) == {0, 1, NO_LABEL}
    widget.kind.setCurrentText(kind)
    widget.folder.choose(tmp_path / "drawn")
    widget.save()
    wait_for_work(qtbot, widget)
    view = layer.metadata[KEY]
    path = annotation_path(tmp_path / "drawn", view.slide.slide, kind)
    assert str(path) in widget.status.text()
    expected = np.full(view.plane.box.shape, NO_LABEL, np.uint8)
    expected[view.box.slices_in(view.plane.box)] = layer.data
    np.testing.assert_array_equal(read_on_slide(path, slide_file, mpp), expected)
    if kind == "OME-Zarr":
        assert open_label_image(path).classes == TWO


def test_a_painting_lies_on_what_was_drawn(window):
    viewer, widget = window
    widget.mpp.setValue(0.8)
    layer = begin(viewer, widget)
    first = np.array(layer.data_to_world((-0.5, -0.5))) / 0.5 + 0.5
    last = np.array(layer.data_to_world(np.array(layer.data.shape) - 0.5)) / 0.5 + 0.5
    # Whole working pixels of 1.6 pixels around it.
    assert (first <= (AREA.y, AREA.x)).all()
    assert (first > np.array((AREA.y, AREA.x)) - 1.7).all()
    assert (last >= (AREA.bottom, AREA.right)).all()
    assert (last < np.array((AREA.bottom, AREA.right)) + 1.7).all()
    assert layer.mode == "paint"
    assert layer.editable


def test_the_window_shows_what_is_painted_on(window, settle):
    viewer, widget = window
    widget.region.setCurrentIndex(0)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (300, 300), 4
    settle()
    layer = begin(viewer, widget)
    assert np.array(layer.data.shape) == pytest.approx(np.array(viewer.canvas.size) / 2, abs=3)


def test_choosing_a_class_and_the_layer_go_together(window):
    viewer, widget = window
    layer = begin(viewer, widget)
    widget.classes.choose(1)
    assert layer.selected_label == 1
    layer.selected_label = 0
    assert widget.classes.value == 0
    layer.selected_label = NO_LABEL
    assert widget.classes.list.currentItem().text() == "not annotated"
    other = begin(viewer, widget)
    widget.classes.choose(1)
    assert (layer.selected_label, other.selected_label) == (NO_LABEL, 1)
    viewer.layers.selection.active = layer
    assert widget.classes.value == NO_LABEL


def test_napari_s_undo_takes_back_what_was_painted(window):
    viewer, widget = window
    layer = begin(viewer, widget)
    layer.paint((60, 70), 0)
    layer.paint((90, 70), 1)
    layer.undo()
    assert set(np.unique(layer.data)) == {0, NO_LABEL}
    layer.undo()
    assert (layer.data == NO_LABEL).all()
    layer.redo()
    assert (layer.data == 0).any()


def test_classes_are_edited_while_one_paints(window, errors):
    viewer, widget = window
    layer = begin(viewer, widget)
    layer.paint((60, 70), 0)
    widget.classes.add()
    widget.classes.list.currentItem().setText("fat")
    widget.classes.recolour(2, QColor(250, 250, 0))
    fat = LabelClass("fat", (250, 250, 0))
    assert layer.metadata[KEY].classes == {**TWO, 2: fat}
    assert layer.selected_label == 2
    assert list(layer.features["class"])[:3] == ["tumour", "stroma", "fat"]
    colour = np.asarray(layer.colormap.map(np.array([2])))[0]
    np.testing.assert_allclose(colour[:3] * 255, fat.colour, atol=1)
    widget.classes.list.currentItem().setText("stroma")
    assert widget.classes.classes[2] == fat
    widget.classes.choose(1)
    widget.classes.remove()
    assert layer.metadata[KEY].classes == {0: TWO[0], 2: fat}
    widget.classes.choose(0)
    widget.classes.remove()
    assert layer.metadata[KEY].classes == {0: TWO[0], 2: fat}
    assert ["cannot be called" in errors()[0], "tumour is in use" in errors()[1]] == [True, True]
    for name in ("not annotated", "not analysed"):
        widget.classes.list.item(0).setText(name)
        assert widget.classes.classes[0] == TWO[0]


def test_a_checkpoint_gives_its_classes_and_resolution(window, qtbot, tmp_path):
    viewer, widget = window
    checkpoint = tiny_checkpoint(mpp=1.0)
    widget.take_from_checkpoint(checkpoint.save(tmp_path / "tiny.safetensors"))
    wait_for_work(qtbot, widget)
    layer = begin(viewer, widget)
    assert layer.metadata[KEY].classes == dict(enumerate(checkpoint.classes))
    assert layer.metadata[KEY].plane.mpp == 1.0
    assert "checkpoint" in widget.mpp.text()


def test_a_mask_is_corrected(make_napari_viewer, slide_file, mask_store, qtbot, tmp_path):
    viewer = make_napari_viewer()
    viewer.open([str(slide_file), str(mask_store)], plugin="wsiseg", stack=False)
    widget = furnish(viewer, 0.5)
    widget.correct()
    wait_for_work(qtbot, widget)
    layer = viewer.layers.selection.active
    view, image = layer.metadata[KEY], open_label_image(mask_store)
    assert view.plane.mpp == 0.8
    assert view.classes == image.classes
    inside = view.box.slices_in(view.plane.box)
    np.testing.assert_array_equal(layer.data, image.levels[0][inside])
    layer.brush_size = 21
    layer.paint((100, 100), 3)
    # A painting is no mask: the next correction begins with the mask again.
    widget.correct()
    wait_for_work(qtbot, widget)
    np.testing.assert_array_equal(viewer.layers.selection.active.data, image.levels[0][inside])
    viewer.layers.selection.active = layer
    widget.folder.choose(tmp_path)
    widget.save()
    wait_for_work(qtbot, widget)
    stored = open_label_image(tmp_path / "biopsy.ome.zarr")
    # What was painted and a margin around it; what nobody has looked at stays ignored.
    distance = np.hypot(*(np.indices(layer.data.shape) - 100))
    kept = stored.levels[0][inside]
    near, far = distance <= 26, distance > 27
    np.testing.assert_array_equal(kept[near], layer.data[near])
    assert (kept[far] == NO_LABEL).all()
    assert stored.classes == image.classes


def test_labels_in_memory_are_corrected_like_a_mask(window, qtbot):
    viewer, widget = window
    made = region_at(current_slide(viewer), Box(350, 450, 200, 200), None, TWO)
    values = np.random.default_rng(0).integers(0, 2, (200, 200)).astype(np.uint8)
    data, settings, _ = painting_layer(made, values)
    viewer.add_labels(data, **settings)
    widget.correct()
    wait_for_work(qtbot, widget)
    layer = viewer.layers.selection.active
    assert layer.data.shape == AREA.shape
    expected = np.full(AREA.shape, NO_LABEL, np.uint8)
    expected[made.box.slices_in(AREA)] = values
    np.testing.assert_array_equal(layer.data, expected)


def test_adding_and_refusing(window, slide_file, qtbot, tmp_path, errors):
    viewer, widget = window
    widget.folder.choose(tmp_path)
    first = begin(viewer, widget)
    first.paint((50, 50), 0)
    widget.save()
    wait_for_work(qtbot, widget)
    second = begin(viewer, widget)
    second.paint((300, 300), 1)
    widget.save()
    wait_for_work(qtbot, widget)
    qtbot.waitUntil(lambda: bool(errors()))
    assert "exists" in errors()[0]
    assert "\n" not in errors()[0]
    widget.if_exists.setCurrentText("add to it")
    widget.save()
    wait_for_work(qtbot, widget)
    labels = read_on_slide(tmp_path / "biopsy.ome.zarr", slide_file, None)
    expected = np.where(first.data == NO_LABEL, second.data, first.data)
    np.testing.assert_array_equal(labels[AREA.slices_in(Box(0, 0, *labels.shape))], expected)


def test_a_slide_without_mpp(make_napari_viewer, qtbot, tmp_path):
    path = tmp_path / "plain.tiff"
    tifffile.imwrite(path, np.zeros((1000, 1300, 3), np.uint8), tile=(128, 128), photometric="rgb")
    viewer = make_napari_viewer()
    viewer.open(str(path), plugin="wsiseg")
    widget = furnish(viewer, None)
    layer = begin(viewer, widget)
    assert layer.data.shape == AREA.shape
    layer.paint((50, 60), 1)
    widget.folder.choose(tmp_path / "drawn")
    widget.save()
    wait_for_work(qtbot, widget)
    labels = read_on_slide(tmp_path / "drawn" / "plain.ome.zarr", path, None)
    np.testing.assert_array_equal(labels[AREA.slices_in(Box(0, 0, *labels.shape))], layer.data)


def test_what_cannot_be_done_is_told_in_one_line(make_napari_viewer, qtbot, tmp_path, errors):
    widget = AnnotateWidget(make_napari_viewer())
    qtbot.addWidget(widget)
    (tmp_path / "broken").write_text("{")
    for act in (
        widget.begin,
        widget.correct,
        widget.take_from_mask,
        widget.save,
        widget.shapes.paint,
        lambda: widget.shapes.open(tmp_path / "broken"),
        lambda: widget.take_from_checkpoint(tmp_path / "broken"),
    ):
        before = len(errors())
        act()
        wait_for_work(qtbot, widget)
        qtbot.waitUntil(lambda before=before: len(errors()) > before)
    assert len(errors()) == 7
    assert not any("\n" in message for message in errors())
    assert not any(hasattr(record, "exception") for record in notification_manager.records)


def test_of_two_slides_that_of_the_labels_is_painted_on(window, slide_file, qtbot, tmp_path):
    viewer, widget = window
    below = current_slide(viewer)
    data, settings, _ = painting_layer(region_at(below, AREA, None, TWO))
    other = shutil.copy(slide_file, tmp_path / "other.tiff")
    viewer.open(str(other), plugin="wsiseg")
    labels = viewer.add_labels(data, **settings)
    assert begin(viewer, widget).metadata[KEY].slide is below
    for selected in (labels, viewer.layers["drawn"]):
        viewer.layers.selection.active = selected
        widget.correct()
        wait_for_work(qtbot, widget)
        assert viewer.layers.selection.active.metadata[KEY].slide is below


def test_a_painting_outlives_the_widget(window, settle):
    viewer, widget = window
    layer = begin(viewer, widget)
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    del widget
    settle()
    gc.collect()
    layer.selected_label = 1
    viewer.layers.selection.active = viewer.layers[0]
    layer.paint((10, 10), 1)
    assert (layer.data == 1).any()

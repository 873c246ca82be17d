"""The *Segment* widget: what a user sees while it runs, when it is done, and when it is not."""

import threading

import numpy as np
import pytest
import zarr
from napari.utils.notifications import notification_manager

import wsiseg
import wsiseg.tiling.reading
from tiny import tiny_checkpoint
from wsiseg.errors import DamagedSlideError
from wsiseg.models.class_sets import LabelClass
from wsiseg.options import SegmentOptions
from wsiseg.tiling import Box
from wsiseg.tiling.stitching import UNSEEN
from wsiseg.viewer.annotating import region_at, save_painting
from wsiseg.viewer.layers import KEY, MaskView
from wsiseg.viewer.region import RegionView
from wsiseg.viewer.scene import current_slide
from wsiseg.viewer.widgets.segmenting import (
    FIELD_OF_VIEW,
    LEVEL_0,
    REGION,
    TYPED,
    WHOLE_SLIDE,
    SegmentWidget,
)

OPTIONS = {"runtime": "torch", "tissue": "none", "tile": 256, "halo": 8, "threads": 1}


class Gate:
    """Lets as many tiles be read as are wanted."""

    def __init__(self, monkeypatch):
        self._tickets = threading.Semaphore(0)
        read = wsiseg.tiling.reading.read_working_box

        def wait_and_read(*args):
            self._tickets.acquire()
            return read(*args)

        monkeypatch.setattr(wsiseg.tiling.reading, "read_working_box", wait_and_read)

    def admit(self, tiles):
        self._tickets.release(tiles)


@pytest.fixture
def gate(monkeypatch):
    gate = Gate(monkeypatch)
    yield gate
    gate.admit(10_000)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return tiny_checkpoint(mpp=0.5).save(folder / "tiny.safetensors")


@pytest.fixture
def viewer(make_napari_viewer, slide_file):
    viewer = make_napari_viewer()
    viewer.open(str(slide_file), plugin="wsiseg")
    return viewer


@pytest.fixture
def widget(viewer, checkpoint):
    widget = SegmentWidget(viewer, SegmentOptions(max_bad_tiles="100%", **OPTIONS))
    viewer.window.add_dock_widget(widget)
    widget.checkpoint.line.setText(str(checkpoint))
    return widget


def look_at(viewer, y, x, zoom=1.0):
    viewer.scene.camera.center, viewer.scene.camera.zoom = (y, x), zoom


def finish(qtbot, widget):
    qtbot.waitUntil(lambda: not widget.is_running)


def works():
    return [each for each in threading.enumerate() if each.name == "wsiseg-work"]


def filled(viewer):
    layer = viewer.layers[-1]
    return layer.name == "biopsy so far" and (layer.data != UNSEEN).any()


@pytest.fixture(scope="module")
def whole(slide_file, checkpoint, tmp_path_factory):
    """What `segment` makes of all of it."""
    folder = tmp_path_factory.mktemp("whole")
    return wsiseg.segment(slide_file, checkpoint, folder, **OPTIONS).labels[:]


def test_what_the_window_shows_is_labelled(qtbot, viewer, widget, whole):
    look_at(viewer, 500, 400, zoom=2)
    widget.starting.click()
    assert not widget.starting.isEnabled()
    finish(qtbot, widget)
    assert [layer.name for layer in viewer.layers] == ["biopsy", "biopsy field of view"]
    layer = viewer.layers[-1]
    part = layer.metadata[KEY]
    assert isinstance(part, RegionView)
    height, width = (side / 2 / 0.5 for side in viewer.canvas.size)
    assert abs(part.box.height - height) <= 3
    assert abs(part.box.width - width) <= 3
    assert abs(part.box.y + part.box.height / 2 - 1000) <= 3
    np.testing.assert_array_equal(layer.data, whole[part.box.within(part.plane.box)])
    assert (layer.multiscale, layer.editable) == (False, True)
    # The same place of the world is the same pixel of both.
    slide_pixel = np.array([part.box.y + 7, part.box.x + 9])
    world = viewer.layers[0].data_to_world(slide_pixel)
    np.testing.assert_allclose(layer.world_to_data(world), (7, 9), atol=1e-6)
    assert list(layer.features["class"])[-1] == "not analysed"
    assert widget.status.text().startswith("Done: ")
    assert widget.starting.isEnabled()


def test_what_was_labelled_can_be_painted_and_labelled_again(qtbot, viewer, widget):
    look_at(viewer, 500, 400, zoom=2)
    for count in (2, 3):
        widget.start()
        finish(qtbot, widget)
        assert len(viewer.layers) == count
        layer = viewer.layers.selection.active
        layer.paint((20, 20), 3)
        assert layer.data[20, 20] == 3
        layer.paint((20, 20), layer.colormap.background_value)
        assert layer.data[20, 20] == UNSEEN


def test_a_drawn_region_is_labelled(qtbot, viewer, widget, whole):
    widget.scope.setCurrentIndex(REGION)
    triangle = np.array([[100.0, 100.0], [400.0, 100.0], [400.0, 500.0]])
    viewer.add_shapes([triangle], shape_type="polygon", units=("um", "um"))
    widget.start()
    finish(qtbot, widget)
    layer = viewer.layers[-1]
    part = layer.metadata[KEY]
    assert layer.name == "biopsy region"
    inside = layer.data != UNSEEN
    assert abs(inside.sum() / (300 * 400 / 2 / 0.5**2) - 1) < 0.01
    expected = whole[part.box.within(part.plane.box)]
    np.testing.assert_array_equal(layer.data[inside], expected[inside])


def test_tiles_appear_as_they_are_done(qtbot, viewer, widget, gate):
    look_at(viewer, 450, 525, zoom=0.5)
    widget.start()
    gate.admit(3)
    qtbot.waitUntil(lambda: filled(viewer))
    qtbot.waitUntil(lambda: widget.status.text().startswith("3 of "))
    preview = viewer.layers[-1]
    assert (preview.data == UNSEEN).any()
    assert not preview.editable
    assert widget.bar.value() == 3
    gate.admit(10_000)
    finish(qtbot, widget)
    assert [layer.name for layer in viewer.layers] == ["biopsy", "biopsy field of view"]
    assert (viewer.layers[-1].data != UNSEEN).all()


def test_a_cancelled_run_leaves_no_layer(qtbot, viewer, widget, gate):
    widget.start()
    gate.admit(2)
    qtbot.waitUntil(lambda: filled(viewer))
    widget.cancelling.click()
    gate.admit(10_000)
    finish(qtbot, widget)
    assert [layer.name for layer in viewer.layers] == ["biopsy"]
    assert widget.status.text() == "Cancelled"
    qtbot.waitUntil(lambda: not works())
    widget.start()
    finish(qtbot, widget)
    assert len(viewer.layers) == 2


def test_a_whole_slide_can_be_cancelled_and_gone_on_with(
    qtbot, viewer, widget, gate, whole, tmp_path
):
    widget.scope.setCurrentIndex(WHOLE_SLIDE)
    widget.folder.choose(tmp_path)
    widget.start()
    gate.admit(50)
    qtbot.waitUntil(lambda: widget.status.text().startswith("50 of "))
    widget.cancel()
    gate.admit(10_000)
    finish(qtbot, widget)
    assert [layer.name for layer in viewer.layers] == ["biopsy"]
    assert not (tmp_path / "biopsy.ome.zarr" / "zarr.json").exists()
    widget.start()
    finish(qtbot, widget)
    assert widget.status.text() == "An unfinished run stands already: biopsy.ome.zarr"
    assert widget.resuming.isVisibleTo(widget)
    assert widget.resuming.text() == "Resume"
    widget.resuming.click()
    finish(qtbot, widget)
    assert not widget.resuming.isVisibleTo(widget)
    labels = zarr.open_array(tmp_path / "biopsy.ome.zarr" / "0", mode="r")[:]
    np.testing.assert_array_equal(labels, whole)
    layer = viewer.layers[-1]
    assert (layer.name, layer.multiscale) == ("biopsy mask", True)
    assert isinstance(layer.metadata[KEY], MaskView)
    np.testing.assert_array_equal(np.asarray(layer.data[0]), whole)
    np.testing.assert_allclose(layer.scale, 0.5)
    np.testing.assert_allclose(layer.translate, 0)


def test_a_mask_that_stands_can_be_replaced_or_shown(qtbot, viewer, widget, tmp_path):
    widget.scope.setCurrentIndex(WHOLE_SLIDE)
    widget.resolution.setCurrentIndex(TYPED)
    widget.folder.choose(tmp_path)
    for mpp in (2.0, 4.0):
        widget.mpp.setValue(mpp)
        widget.start()
        finish(qtbot, widget)
        if mpp == 4.0:
            assert widget.status.text() == "A finished mask stands already: biopsy.ome.zarr"
            widget.overwriting.click()
            finish(qtbot, widget)
        assert [layer.name for layer in viewer.layers] == ["biopsy", "biopsy mask"]
        np.testing.assert_allclose(viewer.layers[-1].scale, mpp)
    widget.start()
    finish(qtbot, widget)
    assert widget.resuming.text() == "Show it"
    widget.resuming.click()
    finish(qtbot, widget)
    assert [layer.name for layer in viewer.layers] == ["biopsy", "biopsy mask"]


def test_layers_may_be_removed_meanwhile(qtbot, viewer, widget, gate):
    look_at(viewer, 450, 525, zoom=0.5)
    widget.start()
    gate.admit(3)
    qtbot.waitUntil(lambda: filled(viewer))
    viewer.layers.clear()
    gate.admit(10_000)
    finish(qtbot, widget)
    assert [layer.name for layer in viewer.layers] == ["biopsy field of view"]
    assert (viewer.layers[-1].data != UNSEEN).all()


def test_the_end_of_the_window_is_the_end_of_the_run(qtbot, viewer, widget, gate):
    widget.start()
    gate.admit(2)
    qtbot.waitUntil(lambda: filled(viewer))
    assert works()
    viewer.close()
    gate.admit(10_000)
    qtbot.waitUntil(lambda: not works())


def test_the_end_of_the_widget_takes_its_preview_along(qtbot, viewer, widget, gate):
    widget.start()
    gate.admit(2)
    qtbot.waitUntil(lambda: filled(viewer))
    widget.deleteLater()
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    gate.admit(10_000)
    qtbot.waitUntil(lambda: not works())


def test_a_checkpoint_that_is_handed_over_is_shown_and_used(qtbot, viewer, widget, tmp_path):
    path = tiny_checkpoint(classes=3, mpp=1.5).save(tmp_path / "better.safetensors")
    widget.choose_checkpoint(path)
    finish(qtbot, widget)
    assert widget.status.text() == "Tiny, 3 classes"
    assert widget.resolution.currentText() == "as trained: 1.5 µm/px"
    widget.start()
    finish(qtbot, widget)
    layer = viewer.layers[-1]
    np.testing.assert_allclose(layer.scale, 1.5)
    assert len(layer.metadata[KEY].classes) == 3
    widget.choose_checkpoint(None)
    assert widget.resolution.currentText() == "as trained"


def test_level_0_can_be_asked_for(qtbot, viewer, widget, tmp_path):
    path = tiny_checkpoint(mpp=1.5).save(tmp_path / "coarse.safetensors")
    widget.checkpoint.line.setText(str(path))
    widget.resolution.setCurrentIndex(LEVEL_0)
    widget.start()
    finish(qtbot, widget)
    np.testing.assert_allclose(viewer.layers[-1].scale, 0.5)


def test_the_bundled_checkpoint_is_named(qtbot, viewer, widget):
    look_at(viewer, 450, 525, zoom=8)
    widget.choose_checkpoint(None)
    widget.start()
    finish(qtbot, widget)
    assert "bundled demonstration checkpoint" in widget.status.text()
    assert "necrosis" in list(viewer.layers[-1].features["class"])


def no_slide(viewer, widget):
    viewer.layers.clear()
    return "there is no slide in the window"


def out_of_sight(viewer, widget):
    look_at(viewer, 10_000, 10_000, zoom=5)
    return "the window shows nothing of biopsy"


def nothing_drawn(viewer, widget):
    widget.scope.setCurrentIndex(REGION)
    return "no region is drawn"


def no_checkpoint(viewer, widget):
    widget.checkpoint.line.setText("nowhere.safetensors")
    return "nowhere.safetensors"


def too_fine(viewer, widget):
    look_at(viewer, 450, 525, zoom=0.2)
    widget.resolution.setCurrentIndex(TYPED)
    widget.mpp.setValue(0.1)
    return "choose Whole slide"


def no_folder(viewer, widget):
    widget.scope.setCurrentIndex(WHOLE_SLIDE)
    widget.folder.choose(widget.checkpoint.path)
    return "the output is a file, not a folder"


def a_painting(viewer, widget):
    view, folder = current_slide(viewer), widget.checkpoint.path.parent / "drawn"
    region = region_at(view, Box(0, 0, 20, 30), None, {0: LabelClass("tumour", (200, 0, 0))})
    save_painting(region, np.zeros(region.box.shape, np.uint8), folder, standing="replace")
    widget.scope.setCurrentIndex(WHOLE_SLIDE)
    widget.folder.choose(folder)
    return "something that is no run"


@pytest.mark.parametrize(
    "mistake",
    [no_slide, out_of_sight, nothing_drawn, no_checkpoint, too_fine, no_folder, a_painting],
)
def test_a_mistake_is_told_in_one_line(qtbot, viewer, widget, mistake):
    words = mistake(viewer, widget)
    count = len(viewer.layers)
    notification_manager.records.clear()
    widget.start()
    finish(qtbot, widget)
    (record,) = notification_manager.records
    assert words in record.message
    assert "\n" not in record.message
    assert not hasattr(record, "exception")
    assert len(viewer.layers) == count
    assert widget.starting.isEnabled()
    assert not widget.resuming.isVisibleTo(widget)


@pytest.mark.parametrize("scope", [FIELD_OF_VIEW, WHOLE_SLIDE])
def test_a_whole_slide_that_cannot_be_read_is_an_error(
    qtbot, viewer, checkpoint, scope, monkeypatch, tmp_path
):
    def fail(slide, *_):
        raise DamagedSlideError("these pixels are gone", slide.path)

    widget = SegmentWidget(viewer)
    qtbot.addWidget(widget)
    widget.checkpoint.line.setText(str(checkpoint))
    widget.scope.setCurrentIndex(scope)
    widget.folder.choose(tmp_path)
    look_at(viewer, 500, 400, zoom=2)
    monkeypatch.setattr(wsiseg.tiling.reading, "read_working_box", fail)
    notification_manager.records.clear()
    widget.start()
    finish(qtbot, widget)
    (record,) = notification_manager.records
    assert "cannot be read" in record.message
    assert "\n" not in record.message
    if scope == WHOLE_SLIDE:
        assert widget.status.text() == "Failed"
        assert len(viewer.layers) == 1
    else:
        assert (viewer.layers[-1].data == UNSEEN).all()

"""The *Segment* widget: what a user sees while it runs, when it is done, and when it is not."""

import json
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

import wsiseg
import wsiseg.tiling.reading
from http_servers import Server, running
from segment_window import OPTIONS, count_reads, finish, look_at, read_done
from tiny import tiny_checkpoint
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer import predictor_cache
from wsiseg.viewer.layers.layer_data import KEY, MaskView
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.widgets.segmenting import (
    LEVEL_0,
    REGION,
    TYPED,
    WHOLE_SLIDE,
)


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


def works():
    return [each for each in threading.enumerate() if each.name == "wsiseg-work"]


def filled(viewer):
    layer = viewer.layers[-1]
    return layer.name == "biopsy so far" and (layer.data != NO_LABEL).any()


@pytest.fixture(scope="module")
def whole(slide_file, checkpoint, tmp_path_factory):
    """What `segment` makes of all of it."""
    folder = tmp_path_factory.mktemp("whole")
    return wsiseg.segment(slide_file, checkpoint, folder, **OPTIONS).labels[:]


def test_what_the_window_shows_is_labelled(qtbot, viewer, widget, whole, monkeypatch):
    reads = count_reads(monkeypatch)
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
    np.testing.assert_array_equal(layer.data, whole[part.box.slices_in(part.plane.box)])
    assert (layer.multiscale, layer.editable) == (False, True)
    # The same place of the world is the same pixel of both.
    slide_pixel = np.array([part.box.y + 7, part.box.x + 9])
    world = viewer.layers[0].data_to_world(slide_pixel)
    np.testing.assert_allclose(layer.world_to_data(world), (7, 9), atol=1e-6)
    assert list(layer.features["class"])[-1] == "not analysed"
    assert read_done(widget) == (part.box.width, part.box.height, 0.5, len(reads))
    assert widget.starting.isEnabled()


@pytest.mark.parametrize("scope", [0, WHOLE_SLIDE])
def test_a_resolution_that_looks_wrong_is_asked_about(qtbot, viewer, widget, tmp_path, scope):
    look_at(viewer, 500, 400, zoom=2)
    widget.scope.setCurrentIndex(scope)
    widget.folder.choose(tmp_path)
    widget.resolution.setCurrentIndex(TYPED)
    widget.mpp.setValue(4.0)
    widget.start()
    finish(qtbot, widget)
    assert "The network would see 4 µm per pixel, 8.0 times off" in widget.status.text()
    assert not widget.forcing.isHidden()
    assert len(viewer.layers) == 1
    widget.forcing.click()
    finish(qtbot, widget)
    assert widget.status.text().startswith("Done: ")
    assert "8.0 times off" in widget.status.text()
    assert widget.forcing.isHidden()


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
        assert layer.data[20, 20] == NO_LABEL


def test_a_drawn_region_is_labelled(qtbot, viewer, widget, whole):
    widget.scope.setCurrentIndex(REGION)
    triangle = np.array([[100.0, 100.0], [400.0, 100.0], [400.0, 500.0]])
    viewer.add_shapes([triangle], shape_type="polygon", units=("um", "um"))
    widget.start()
    finish(qtbot, widget)
    layer = viewer.layers[-1]
    part = layer.metadata[KEY]
    assert layer.name == "biopsy region"
    inside = layer.data != NO_LABEL
    assert abs(inside.sum() / (300 * 400 / 2 / 0.5**2) - 1) < 0.01
    expected = whole[part.box.slices_in(part.plane.box)]
    np.testing.assert_array_equal(layer.data[inside], expected[inside])


def test_tiles_appear_as_they_are_done(qtbot, viewer, widget, gate):
    look_at(viewer, 450, 525, zoom=0.5)
    widget.start()
    gate.admit(3)
    qtbot.waitUntil(lambda: filled(viewer))
    qtbot.waitUntil(lambda: widget.status.text().startswith("3 of "))
    preview = viewer.layers[-1]
    assert (preview.data == NO_LABEL).any()
    assert not preview.editable
    assert widget.bar.value() == 3
    gate.admit(10_000)
    finish(qtbot, widget)
    assert [layer.name for layer in viewer.layers] == ["biopsy", "biopsy field of view"]
    # napari takes its time over every layer that comes or goes.
    assert viewer.layers[-1] is preview
    assert preview.editable
    assert (preview.data != NO_LABEL).all()
    assert viewer.layers.selection.active is preview


def test_the_mask_of_a_whole_slide_takes_the_place_of_what_was_shown(
    qtbot, viewer, widget, gate, whole, tmp_path
):
    widget.scope.setCurrentIndex(WHOLE_SLIDE)
    widget.folder.choose(tmp_path)
    widget.start()
    gate.admit(3)
    qtbot.waitUntil(lambda: widget.status.text().startswith("3 of "))
    preview = viewer.layers[-1]
    assert (preview.name, preview.multiscale) == ("biopsy so far", True)
    viewer.add_shapes([np.eye(3, 2) * 90], shape_type="polygon", name="mine")
    gate.admit(10_000)
    finish(qtbot, widget)
    # On top of what was added meanwhile.
    assert [layer.name for layer in viewer.layers] == ["biopsy", "mine", "biopsy mask"]
    assert viewer.layers[-1] is preview
    np.testing.assert_array_equal(np.asarray(preview.data[0]), whole)
    assert isinstance(preview.metadata[KEY], MaskView)
    assert viewer.layers.selection.active is preview
    run = json.loads((tmp_path / "biopsy.run.json").read_text())["summary"]
    rows = (tmp_path / "biopsy.tiles.csv").read_text().splitlines()[1:]
    assert widget.status.text().splitlines()[0] == (
        f"Done: {whole.size / 1e6:.1f} Mpx in {len(rows)} tiles, "
        f"{run['seconds']:.1f} s: biopsy.ome.zarr"
    )


def test_the_network_sees_the_colours_that_are_chosen(
    qtbot, viewer, widget, slide_file, checkpoint, tmp_path
):
    assert not widget.colours.reference.isEnabled()
    widget.colours.stain.setCurrentText("normalised (Reinhard)")
    assert widget.colours.reference.isEnabled()
    look_at(viewer, 500, 400, zoom=2)
    widget.start()
    finish(qtbot, widget)
    layer = viewer.layers[-1]
    expected = wsiseg.segment(slide_file, checkpoint, tmp_path, stain="reinhard", **OPTIONS)
    part = layer.metadata[KEY]
    np.testing.assert_array_equal(
        layer.data, expected.labels[:][part.box.slices_in(part.plane.box)]
    )
    widget.colours.reference.choose(tmp_path / "none.json")
    widget.start()
    finish(qtbot, widget)
    assert "none.json" in widget.status.text()


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
    assert widget.status.text() == "An unfinished run exists already: biopsy.ome.zarr"
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
    for mpp in (1.0, 1.5):
        widget.mpp.setValue(mpp)
        widget.start()
        finish(qtbot, widget)
        if mpp == 1.5:
            assert widget.status.text() == "A finished mask exists already: biopsy.ome.zarr"
            widget.overwriting.click()
            finish(qtbot, widget)
        assert [layer.name for layer in viewer.layers] == ["biopsy", "biopsy mask"]
        np.testing.assert_allclose(viewer.layers[-1].scale, mpp)
    widget.start()
    finish(qtbot, widget)
    assert widget.resuming.text() == "Show it"
    # Whatever it was made with.
    widget.colours.icc.setChecked(True)
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
    assert (viewer.layers[-1].data != NO_LABEL).all()


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
    assert widget.resolution.currentText() == "as trained: 0.5 µm/px"


def test_loading_pytorch_is_shown(qtbot, viewer, widget, checkpoint, monkeypatch):
    loaded = threading.Event()
    # It is there already, and cannot be loaded twice.
    monkeypatch.setattr(predictor_cache, "sys", SimpleNamespace(modules={}))
    slow = SimpleNamespace(import_module=lambda _: loaded.wait())
    monkeypatch.setattr(predictor_cache, "importlib", slow)
    widget.choose_checkpoint(checkpoint)
    qtbot.waitUntil(lambda: widget.status.text() == "Loading PyTorch")
    # Without an end, the bar shows that something is being done.
    assert (widget.bar.minimum(), widget.bar.maximum()) == (0, 0)
    assert widget.cancelling.isEnabled()
    loaded.set()
    finish(qtbot, widget)
    assert widget.status.text() == "Tiny, 5 classes"


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
    assert "bundled checkpoint nuclei is used" in widget.status.text()
    assert "nucleus" in list(viewer.layers[-1].features["class"])


def test_a_checkpoint_may_be_a_name_or_an_address(qtbot, viewer, widget, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    look_at(viewer, 450, 525, zoom=8)
    with running(Server()) as server:
        server.put("/a.safetensors", tiny_checkpoint().save(tmp_path / "a").read_bytes())
        for source, classes in (("nuclei", 3), (f"{server.url}/a.safetensors", 5)):
            widget.choose_checkpoint(source)
            finish(qtbot, widget)
            widget.start()
            finish(qtbot, widget)
            assert widget.status.text().startswith("Done")
            assert len(viewer.layers[-1].metadata[KEY].classes) == classes
        assert server.fetched("/a.safetensors") == 1

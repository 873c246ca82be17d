"""A slide whose file states no µm per pixel: the window asks for them, and says what it does."""

import json

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager

import wsiseg
from pictures import draw
from segment_window import OPTIONS, finish, look_at
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.viewer.layers.layer_data import KEY
from wsiseg.viewer.scene import current_slide, drawn_region
from wsiseg.viewer.widgets.annotating import AnnotateWidget
from wsiseg.viewer.widgets.segmenting import LEVEL_0, TYPED, WHOLE_SLIDE, SegmentWidget


@pytest.fixture(scope="module")
def plain_file(tmp_path_factory):
    """A slide without µm per pixel: what its file states no microscope can mean."""
    tags = {"resolution": (72, 72), "resolutionunit": "INCH"}
    pixels, _ = draw(600, 700, 3)
    path = tmp_path_factory.mktemp("slides") / "plain.tiff"
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb", metadata=None, **tags)
    return path


@pytest.fixture
def plain(make_napari_viewer, plain_file, checkpoint):
    viewer = make_napari_viewer(show=True)
    viewer.open(str(plain_file), plugin="wsiseg")
    widget = SegmentWidget(viewer, SegmentOptions(**OPTIONS))
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.checkpoint.line.setText(str(checkpoint))
    notification_manager.records.clear()
    return viewer, widget


def type_in(field, value):
    field.setValue(value)
    field.editingFinished.emit()


def test_it_is_asked_for_and_nothing_runs_at_level_0_in_silence(qtbot, plain):
    viewer, widget = plain
    look_at(viewer, 300, 350, zoom=1)
    assert widget.resolution.currentText() == "as trained: 0.5 µm/px"
    assert widget.slide_mpp.isVisible()
    assert widget.slide_mpp.text() == "not in the file: type it"
    assert "states no µm/px: type them, or choose level 0" in widget.plan.text()
    widget.start()
    finish(qtbot, widget)
    (record,) = notification_manager.records
    assert "µm per pixel are unknown, so it cannot be segmented at 0.5" in record.message
    assert "Type the slide's" in widget.status.text()
    assert len(viewer.layers) == 1
    # Level 0 can be chosen, and is said to be level 0.
    widget.resolution.setCurrentIndex(LEVEL_0)
    text = "Segments at level 0 as it is (its µm/px are unknown), the checkpoint was trained at 0.5"
    assert text in widget.plan.text()
    widget.start()
    finish(qtbot, widget)
    assert "of unknown size" in widget.status.text()
    assert viewer.layers[-1].metadata[KEY].plane.slide_scale == 1


@pytest.mark.parametrize("mpp", [0.25, pytest.param(0.8, marks=pytest.mark.long)])
def test_what_is_typed_is_worked_with_as_segment_does(
    qtbot, settle, plain, plain_file, checkpoint, tmp_path, mpp
):
    viewer, widget = plain
    drawn = viewer.add_shapes([np.array([[99.5, 49.5], [199.5, 149.5]])], shape_type="rectangle")
    look_at(viewer, 300, 350, zoom=1)
    before = widget._viewer.scene.camera.zoom
    type_in(widget.slide_mpp, mpp)
    view = current_slide(viewer)
    assert view.frame.mpp == mpp
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"micrometer"}
    # What was drawn lies where it lay on the slide, and the window shows the same of it.
    assert drawn_region(viewer, view.frame).bounds == pytest.approx((50, 100, 150, 200))
    np.testing.assert_allclose(drawn.data_to_world((99.5, 49.5)), (99.5 * mpp, 49.5 * mpp))
    assert viewer.scene.camera.zoom == pytest.approx(before / mpp)
    assert (
        widget.plan.text() == f"Segments at 0.5 µm/px, as trained; the slide has {mpp:g}, as typed."
    )
    viewer.layers.remove(drawn)
    viewer.layers.selection.active = viewer.layers[0]
    look_at(viewer, 300 * mpp, 350 * mpp, zoom=0.5)
    settle()
    widget.start()
    finish(qtbot, widget)
    assert "at 0.5 µm/px in" in widget.status.text()
    whole = wsiseg.segment(plain_file, checkpoint, tmp_path / "out", slide_mpp=mpp, **OPTIONS)
    np.testing.assert_array_equal(viewer.layers[-1].data, whole.labels[:])


def test_the_run_file_of_a_whole_slide_holds_what_was_typed(qtbot, plain, tmp_path):
    _, widget = plain
    # Without Enter: the start takes it as well.
    widget.slide_mpp.setValue(0.25)
    widget.scope.setCurrentIndex(WHOLE_SLIDE)
    widget.folder.choose(tmp_path / "out")
    widget.start()
    finish(qtbot, widget)
    settings = json.loads((tmp_path / "out" / "plain.run.json").read_text())["settings"]
    assert (settings["slide_mpp"], settings["level"]) == (0.25, None)


def test_a_slide_that_states_its_own_is_not_asked_about(make_napari_viewer, slide_file, widget):
    assert not widget.slide_mpp.isVisibleTo(widget)
    assert widget.plan.text() == "Segments at 0.5 µm/px, as trained; the slide has 0.5."
    widget.resolution.setCurrentIndex(TYPED)
    widget.mpp.setValue(1.0)
    assert widget.plan.text().startswith(
        "Segments at 1 µm/px; the slide has 0.5, the checkpoint was"
    )


def test_annotate_asks_too_and_paints_at_what_it_says(plain):
    viewer, segment = plain
    annotate = AnnotateWidget(viewer)
    viewer.window.add_dock_widget(annotate, name="Annotate")
    annotate.classes.show_classes(dict(enumerate(wsiseg.load_checkpoint("nuclei").classes)))
    annotate.mpp.setValue(0.8)
    annotate.begin()
    assert "µm per pixel are unknown" in notification_manager.records[-1].message
    assert len(viewer.layers) == 1
    type_in(annotate.slide_mpp, 0.01)
    assert "outside 0.05 to 20" in notification_manager.records[-1].message
    assert current_slide(viewer).frame.mpp is None
    type_in(annotate.slide_mpp, 0.4)
    assert "0.4, as typed" in segment.plan.text()
    annotate.begin()
    region = viewer.layers[-1].metadata[KEY]
    assert region.plane.mpp == 0.8
    # Typed anew, the painting keeps its pixels and lies where it lay.
    type_in(annotate.slide_mpp, 0.5)
    layer = viewer.layers[-1]
    assert layer.metadata[KEY].plane.mpp == pytest.approx(1.0)
    np.testing.assert_allclose(layer.scale, 1.0)

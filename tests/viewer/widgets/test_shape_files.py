"""Shapes of a file, shown on the slide and poured into what is painted."""

import json
import threading

import numpy as np
import pytest
import shapely
from napari.layers import Shapes
from napari.utils.notifications import notification_manager

from drawn import SQUARE, asap, collection, imagescope, in_asap, in_qupath, region, write
from drawn import layer as drawn_layer
from painting import AREA, begin, moved, wait_for_work
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.layers.layer_data import KEY
from wsiseg.viewer.widgets import shape_files

PROGRAMS = {
    "QuPath": lambda shape: collection(in_qupath(shape, "stroma")),
    "ASAP": lambda shape: asap(in_asap(shape, group="stroma")),
    "ImageScope": lambda shape: imagescope(drawn_layer([region(shape)], "stroma")),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_file_of_shapes_is_shown_and_painted(window, qtbot, tmp_path, program):
    viewer, widget = window
    content = PROGRAMS[program](moved(SQUARE))
    widget.shapes.open(write(tmp_path, content, "biopsy.xml"))
    wait_for_work(qtbot, widget)
    shapes = viewer.layers.selection.active
    assert isinstance(shapes, Shapes)
    assert list(shapes.features["class"]) == ["stroma"]
    corners = np.asarray(shapes.data[0]) / 0.5 + 0.5
    assert corners.min(axis=0).tolist() == [AREA.y + 20, AREA.x + 10]
    # The rectangle is what is painted on, and not the file's shapes.
    viewer.layers.selection.active = viewer.layers["drawn"]
    layer = begin(viewer, widget)
    layer.brush_size = 5
    layer.paint((5, 5), 0)
    widget.shapes.paint()
    wait_for_work(qtbot, widget)
    expected = np.full(AREA.shape, NO_LABEL, np.uint8)
    expected[20:60, 10:30] = 1
    painted = np.array(layer.data)
    assert (painted[2:8, 2:8] == 0).any()
    painted[:10, :10] = NO_LABEL
    np.testing.assert_array_equal(painted, expected)
    layer.undo()
    assert set(np.unique(layer.data)) == {0, NO_LABEL}


def test_many_pixels_are_one_step(window, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr("wsiseg.viewer.widgets.chunked_painter._AT_A_TIME", 100)
    viewer, widget = window
    widget.shapes.open(write(tmp_path, collection(in_qupath(moved(SQUARE), "bone"))))
    wait_for_work(qtbot, widget)
    viewer.layers.selection.active = viewer.layers["drawn"]
    layer = begin(viewer, widget)
    offered = []
    layer.events.labels_update.connect(lambda: offered.append(widget.buttons["Save"].isEnabled()))
    widget.shapes.paint()
    wait_for_work(qtbot, widget)
    # What is half painted cannot be saved.
    assert offered
    assert not any(offered)
    assert widget.status.text() == ""
    assert (layer.data == 2).sum() == SQUARE.area
    assert layer.metadata[KEY].classes[2].name == "bone"
    assert "bone" in [entry.name for entry in widget.classes.classes.values()]
    layer.undo()
    assert (layer.data == NO_LABEL).all()


def test_a_broken_file_of_shapes_is_told(window, qtbot, tmp_path, errors):
    _, widget = window
    widget.shapes.open(write(tmp_path, json.dumps({"features": 3})))
    qtbot.waitUntil(lambda: bool(errors()))
    assert "cannot be used" in errors()[0]


def test_nothing_is_offered_until_the_last_work_is_over(
    window, qtbot, settle, tmp_path, monkeypatch
):
    viewer, widget = window
    gate, read = threading.Event(), shape_files.read_drawing

    def read_slowly(path, view):
        assert path.name != "slow" or gate.wait(60)
        return read(path, view)

    monkeypatch.setattr(shape_files, "read_drawing", read_slowly)
    content = collection(in_qupath(moved(SQUARE), "stroma"))
    widget.shapes.open(write(tmp_path, content, "slow"))
    with_fast = len(viewer.layers) + 1
    widget.shapes.open(write(tmp_path, content, "fast"))
    qtbot.waitUntil(lambda: len(viewer.layers) == with_fast)
    settle()
    assert not widget.buttons["Save"].isEnabled()
    gate.set()
    wait_for_work(qtbot, widget)
    assert viewer.layers[-1].name == "slow"


def test_layers_are_made_in_the_event_loop(window, qtbot, tmp_path, monkeypatch):
    _, widget = window
    threads, make = [], Shapes.__init__

    def make_noting(self, *args, **settings):
        threads.append(threading.current_thread())
        make(self, *args, **settings)

    monkeypatch.setattr(Shapes, "__init__", make_noting)
    widget.shapes.open(write(tmp_path, collection(in_qupath(moved(SQUARE), "stroma"))))
    wait_for_work(qtbot, widget)
    assert threads == [threading.main_thread()]
    # Nothing but glass is under these.
    off = [in_qupath(shapely.box(x, 4, x + 20, 24), "stroma") for x in (4, 40, 80)]
    widget.shapes.open(write(tmp_path, collection(*off), "off"))
    wait_for_work(qtbot, widget)
    said = "3 of 3 annotations lie outside the tissue: are they of biopsy.tiff?"
    assert said in widget.status.text()
    assert notification_manager.records[-1].message == f"off: {said}"

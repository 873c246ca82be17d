"""Shapes of a file, shown on the slide and poured into what is painted."""

import json

import numpy as np
import pytest
from napari.layers import Shapes

from drawn import SQUARE, asap, collection, imagescope, in_asap, in_qupath, region, write
from drawn import layer as drawn_layer
from painting import AREA, begin, moved, wait_for_work
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.layers.layer_data import KEY

PROGRAMS = {
    "QuPath": lambda shape: collection(in_qupath(shape, "stroma")),
    "ASAP": lambda shape: asap(in_asap(shape, group="stroma")),
    "ImageScope": lambda shape: imagescope(drawn_layer([region(shape)], "stroma")),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_file_of_shapes_is_shown_and_painted(window, qtbot, tmp_path, program):
    viewer, widget = window
    content = PROGRAMS[program](moved(SQUARE))
    widget.open_shapes(write(tmp_path, content, "biopsy.xml"))
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
    widget.paint_shapes()
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
    widget.open_shapes(write(tmp_path, collection(in_qupath(moved(SQUARE), "bone"))))
    wait_for_work(qtbot, widget)
    viewer.layers.selection.active = viewer.layers["drawn"]
    layer = begin(viewer, widget)
    offered = []
    layer.events.labels_update.connect(lambda: offered.append(widget.buttons["Save"].isEnabled()))
    widget.paint_shapes()
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
    widget.open_shapes(write(tmp_path, json.dumps({"features": 3})))
    qtbot.waitUntil(lambda: bool(errors()))
    assert "cannot be used" in errors()[0]

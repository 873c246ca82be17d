"""What the *Segment* widget offers for certainty: a look from all sides, and what is in doubt."""

import json

import numpy as np
import zarr

from segment_window import finish
from wsiseg.viewer.widgets.segmenting import FIELD_OF_VIEW, TYPED, WHOLE_SLIDE


def test_a_whole_slide_is_averaged_and_its_doubt_shown_and_replaced(
    qtbot, viewer, widget, tmp_path
):
    widget.folder.choose(tmp_path)
    widget.resolution.setCurrentIndex(TYPED)
    widget.mpp.setValue(2.0)
    assert not widget.uncertainty.isEnabled()
    widget.scope.setCurrentIndex(WHOLE_SLIDE)
    assert widget.uncertainty.isEnabled()
    widget.uncertainty.setCurrentText("margin")
    widget.start()
    finish(qtbot, widget)
    widget.uncertainty.setCurrentText("entropy")
    widget.tta.setChecked(True)
    widget.start()
    finish(qtbot, widget)
    widget.overwrite()
    finish(qtbot, widget)
    # That of the run before is gone.
    assert [layer.name for layer in viewer.layers] == ["biopsy", "uncertainty", "biopsy mask"]
    doubt = viewer.layers[1]
    assert not doubt.visible
    stored = zarr.open_array(tmp_path / "biopsy.uncertainty.ome.zarr" / "0", mode="r")[:]
    np.testing.assert_array_equal(np.asarray(doubt.data), stored)
    settings = json.loads((tmp_path / "biopsy.run.json").read_text())["settings"]
    assert (settings["tta"], settings["uncertainty"]) == (True, "entropy")


def test_a_field_of_view_is_averaged_too(qtbot, viewer, widget, monkeypatch):
    asked = []
    run = type(widget._task()).run

    def note(task, *arguments):
        asked.append((task.options.tta, task.options.uncertainty))
        return run(task, *arguments)

    monkeypatch.setattr(type(widget._task()), "run", note)
    widget.scope.setCurrentIndex(FIELD_OF_VIEW)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (400, 400), 8
    labels = []
    for averaged in (False, True):
        widget.tta.setChecked(averaged)
        widget.start()
        finish(qtbot, widget)
        labels.append(viewer.layers[-1].data)
    assert asked == [(False, None), (True, None)]
    assert labels[0].shape == labels[1].shape
    assert (labels[0] != labels[1]).any()

"""The *Segment* widget and users who ask for what cannot be."""

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

import wsiseg.tiling.reading
from segment_window import finish, look_at
from wsiseg.classes import LabelClass
from wsiseg.errors import DamagedSlideError
from wsiseg.tiling import Box
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.painting import region_at
from wsiseg.viewer.saving import save_painting
from wsiseg.viewer.scene import current_slide
from wsiseg.viewer.widgets.segmenting import (
    FIELD_OF_VIEW,
    REGION,
    TYPED,
    WHOLE_SLIDE,
    SegmentWidget,
)


def no_slide(viewer, widget):
    viewer.layers.clear()
    return "there is no slide in the window"


def out_of_sight(viewer, widget):
    look_at(viewer, 10_000, 10_000, zoom=5)
    return "biopsy is not in view"


def nothing_drawn(viewer, widget):
    widget.scope.setCurrentIndex(REGION)
    return "no region is drawn"


def no_checkpoint(viewer, widget):
    widget.checkpoint.line.setText("nowhere.safetensors")
    return "nowhere.safetensors"


def too_fine(viewer, widget):
    look_at(viewer, 450, 525, zoom=0.05)
    widget.resolution.setCurrentIndex(TYPED)
    widget.mpp.setValue(0.2)
    return "choose Whole slide"


def no_folder(viewer, widget):
    widget.scope.setCurrentIndex(WHOLE_SLIDE)
    widget.folder.choose(widget.checkpoint.path)
    return "the output is a file, not a folder"


def a_painting(viewer, widget):
    view, folder = current_slide(viewer), widget.checkpoint.path.parent / "drawn"
    region = region_at(view, Box(0, 0, 20, 30), None, {0: LabelClass("tumour", (200, 0, 0))})
    save_painting(region, np.zeros(region.box.shape, np.uint8), folder, if_exists="replace")
    widget.scope.setCurrentIndex(WHOLE_SLIDE)
    widget.folder.choose(folder)
    return "a file of this name that Segment did not make"


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
    assert "cannot be read" in record.message or "could not be read" in record.message
    assert "\n" not in record.message
    if scope == WHOLE_SLIDE:
        assert widget.status.text().startswith("Failed: ")
        assert len(viewer.layers) == 1
    else:
        assert (viewer.layers[-1].data == NO_LABEL).all()

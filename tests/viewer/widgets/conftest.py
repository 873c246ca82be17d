"""What the widgets' tests share."""

import pytest
from napari.utils.notifications import notification_manager

from painting import furnish
from segment_window import OPTIONS
from tiny import tiny_checkpoint
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.viewer.widgets.segmenting import SegmentWidget


@pytest.fixture
def window(make_napari_viewer, slide_file):
    """Return a window with a slide, something drawn on it, and the widget that annotates."""
    viewer = make_napari_viewer()
    viewer.open(str(slide_file), plugin="wsiseg")
    return viewer, furnish(viewer, 0.5)


@pytest.fixture
def errors():
    """Return a function that lists what napari has told since the test began."""
    notification_manager.records.clear()
    yield lambda: [record.message for record in notification_manager.records]
    notification_manager.records.clear()


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

"""What the widgets' tests share."""

import pytest
from napari.utils.notifications import notification_manager

from painting import furnish


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

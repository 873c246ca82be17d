"""What widgets tell stays in them: a notification goes after a few seconds."""

import pytest
from qtpy.QtWidgets import QApplication


@pytest.mark.parametrize(
    ("name", "act", "line"),
    [
        ("Segment", "start", "there is no slide in the window"),
        ("Annotate", "begin", "there is no slide in the window"),
        ("Annotate", "save", "there is no painting"),
        ("Fine-tune", "start", "no folder of slides is given"),
        ("Throughput", "show_run", "there is no mask in the window"),
    ],
)
def test_a_failure_stays_in_the_widget(make_napari_viewer, errors, name, act, line):
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("wsiseg", name)
    getattr(widget, act)()
    assert any(line in error for error in errors())
    QApplication.processEvents()
    assert line in widget.status.text()


def test_a_failure_of_work_in_a_thread_stays_as_well(make_napari_viewer, qtbot, errors, tmp_path):
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("wsiseg", "Annotate")
    widget.take_from_checkpoint(tmp_path / "nowhere.safetensors")
    qtbot.waitUntil(widget.buttons["Save"].isEnabled)
    assert widget.status.text().startswith("Failed: ")
    assert "nowhere.safetensors" in widget.status.text()
    assert len(errors()) == 1

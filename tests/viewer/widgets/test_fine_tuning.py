"""Fine-tuning in the window: a training beside it, its curves, its checkpoint, its end."""

import csv
import os
import subprocess
import sys

import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QWidget

import wsiseg
from pictures import draw
from repetitions import repetitions
from wsiseg.annotations import Annotation, polygonise, write_qupath
from wsiseg.demo import DEFAULT, bundled_checkpoints
from wsiseg.viewer.fine_tuning import can_resume
from wsiseg.viewer.widgets.fine_tuning import FineTuneWidget
from wsiseg.viewer.widgets.segmenting import SegmentWidget

pytest.importorskip("lightning", reason="training is an extra: pip install 'wsiseg[train]'")

NAMES = ("ground", "round", "long")
SMALL = "--set alpha2=1 --set alpha3=1 --workers 0 --batch 2 --tile 64"
ENDLESS = 10_000


@pytest.fixture
def folders(tmp_path):
    """Three slides, of which two are annotated."""
    slides, drawn = tmp_path / "slides", tmp_path / "drawn"
    slides.mkdir()
    drawn.mkdir()
    for number in range(3):
        pixels, labels = draw(160, 200, number)
        tifffile.imwrite(
            slides / f"s{number}.tiff",
            pixels,
            tile=(64, 64),
            photometric="rgb",
            resolution=(2e4, 2e4),
            resolutionunit="CENTIMETER",
        )
        if number < 2:
            shapes = [Annotation(NAMES[value], shape) for value, shape in polygonise(labels)]
            write_qupath(drawn / f"s{number}.geojson", shapes)
    return slides, drawn


@pytest.fixture
def window(make_napari_viewer, folders):
    """Return a window, and in it a widget that is ready for a small training."""
    viewer = make_napari_viewer()
    widget = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Fine-tune")
    prepare_small_training(widget, folders)
    return viewer, widget


def prepare_small_training(widget, folders):
    widget.use_folders(*folders)
    widget.begin_with(None)
    widget.mpp.setValue(0.5)
    widget.epochs.setValue(2)
    widget.tiles.setValue(2)
    widget.extra_options.setText(SMALL)
    notification_manager.records.clear()


def one_error():
    """Return the only notification, which is a line and no traceback."""
    (record,) = notification_manager.records
    assert str(record.severity) == "error"
    assert "\n" not in record.message
    assert not hasattr(record, "exception")
    return record.message


def finish(qtbot, widget):
    """Wait for the end of a training, which is a good one."""
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running)
    assert [record.message for record in notification_manager.records] == []


def start_and_fail(qtbot, widget):
    widget.start()
    qtbot.waitUntil(lambda: bool(notification_manager.records))
    qtbot.waitUntil(lambda: not widget.is_running)
    assert widget.start_button.isEnabled()
    message = one_error()
    assert widget.status.text() == message
    return message


def pid_of(widget):
    return 0 if widget._training is None else widget._training.pid


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_for_epochs(qtbot, widget, count):
    qtbot.waitUntil(lambda: len(widget.curves.points.get("train_loss", ())) >= count)


def test_a_training_ends_in_a_checkpoint_that_is_handed_over(window, qtbot, folders):
    class Taker(QWidget):
        taken = None

        def choose_checkpoint(self, path):
            self.taken = path

    viewer, widget = window
    taker = Taker()
    viewer.window.add_dock_widget(taker, name="Segment")
    signalled = []
    widget.trained.connect(signalled.append)
    widget.start_button.click()
    assert not widget.start_button.isEnabled()
    assert widget.cancel_button.isEnabled()
    finish(qtbot, widget)
    run = folders[1].with_name("drawn-training")
    assert signalled == [run / "best.safetensors"]
    assert taker.taken == run / "best.safetensors"
    assert str(taker.taken) in widget.status.text()
    checkpoint = wsiseg.load_checkpoint(taker.taken)
    assert [entry.name for entry in checkpoint.classes] == sorted(NAMES)
    assert checkpoint.mpp == 0.5
    assert (run / "training.txt").read_text().split() + (
        run / "validation.txt"
    ).read_text().split() in (
        ["s0", "s1"],
        ["s1", "s0"],
    )
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for column, points in widget.curves.points.items():
        assert points == [(float(row["epoch"]), float(row[column])) for row in rows]
    assert list(widget.curves.points) == ["train_loss", "val_loss", "val_miou"]
    best = max(float(row["val_miou"]) for row in rows)
    assert widget.status.text() == (
        f"best validation mean IoU {best:.3f}, now used by Segment:\n{taker.taken}"
    )
    assert list(widget.curves.plots) == ["loss", "validation mean IoU"]


def test_a_damaged_checkpoint_of_the_run_is_told(window, tmp_path):
    _, widget = window
    widget.run.choose(tmp_path)
    assert notification_manager.records == []
    (tmp_path / "best.safetensors").write_bytes(b"cut off")
    widget.warnings.show_lines(["of another run"])
    widget.run.choose(tmp_path)
    assert "best.safetensors" in one_error()
    assert widget.status.text() == one_error()
    assert not widget.warnings.isVisibleTo(widget)
    assert widget.start_button.isEnabled()


def test_the_curves_are_drawn(window, qtbot):
    _, widget = window
    widget.curves.resize(300, 240)

    def picture():
        image = widget.curves.grab().toImage()
        return {image.pixelColor(x, y).name() for x in range(40, 280) for y in range(30, 210)}

    before = picture()
    widget.curves.show_points({"train_loss": [(1.0, 0.9), (2.0, 0.5), (3.0, 0.4)]})
    assert "#4c9be8" in picture()
    assert "#4c9be8" not in before
    widget.curves.show_points({"val_miou": [(1.0, 0.25)]})
    assert "#e8964c" in picture()


@pytest.mark.long
def test_a_training_begins_with_a_bundled_checkpoint(window, qtbot, folders):
    viewer, widget = window
    segment = SegmentWidget(viewer)
    viewer.window.add_dock_widget(segment, name="Segment")
    widget.begin_with(DEFAULT)
    assert widget.init.currentText() == "nuclei, bundled"
    widget.mpp.setValue(0)
    widget.epochs.setValue(1)
    widget.extra_options.setText("--workers 0 --batch 2 --tile 64")
    widget.start()
    finish(qtbot, widget)
    checkpoint = folders[1].with_name("drawn-training") / "best.safetensors"
    assert segment.checkpoint.path == checkpoint
    qtbot.waitUntil(lambda: not segment.is_running)
    card = wsiseg.load_checkpoint(checkpoint).card
    assert bundled_checkpoints()[DEFAULT].name in card.training["began_with"]
    assert card.mpp == 0.5


@pytest.mark.long
def test_a_cancelled_training_is_resumed(window, qtbot, folders):
    """Once shows what twice does: a training that ends, that begins anew, or that cannot go on."""
    _, widget = window
    # More than any machine learns before the window looks again.
    widget.epochs.setValue(5000)
    widget.start()
    for _ in range(repetitions(1, 2)):
        wait_for_epochs(qtbot, widget, 1)
        # An epoch's figures are written a moment before what it can be gone on with.
        qtbot.waitUntil(lambda: can_resume(widget.run.path))
        widget.cancel_button.click()
        finish(qtbot, widget)
        assert widget.status.text().startswith("cancelled in epoch")
        finished = len(widget.curves.points["train_loss"])
        assert widget.resume_button.isEnabled()
        widget.resume_button.click()
        wait_for_epochs(qtbot, widget, finished + 1)
    widget.cancel_button.click()
    finish(qtbot, widget)


@pytest.mark.long
def test_a_training_that_stands_is_shown_and_only_replaced_on_demand(window, qtbot, folders):
    _, widget = window
    widget.epochs.setValue(1)
    widget.extra_options.setText(f"{SMALL} --val-fraction 0")
    widget.start()
    finish(qtbot, widget)
    # There are no validation data: no curve and no figure is named after them.
    assert "Warning: there is no validation data" in widget.warnings.text()
    assert widget.warnings.isVisibleTo(widget)
    assert "best training mean IoU" in widget.status.text()
    named = [curve.label for curves in widget.curves.plots.values() for curve in curves.values()]
    assert named == ["training", "training, as it is", "training, as it is"]
    assert list(widget.curves.plots) == ["loss", "training mean IoU"]
    assert "already holds a training run" in start_and_fail(qtbot, widget)
    notification_manager.records.clear()
    widget.curves.show_points({})
    widget.run.choose(widget.run.path)
    assert len(widget.curves.points["train_loss"]) == 1
    assert widget.resume_button.isEnabled()
    widget.overwrite.setChecked(True)
    widget.epochs.setValue(2)
    widget.start()
    finish(qtbot, widget)
    assert len(widget.curves.points["train_loss"]) == 2


@pytest.mark.long
def test_a_wrong_class_map_is_one_line(window, qtbot):
    _, widget = window
    widget.class_map.setText("ground=ground,round=round,lang=long")
    assert "'long'" in start_and_fail(qtbot, widget)


def test_wrong_options_are_one_line(window, qtbot):
    _, widget = window
    widget.extra_options.setText("--no-such-option")
    assert "--no-such-option" in start_and_fail(qtbot, widget)
    notification_manager.records.clear()
    widget.extra_options.setText("--lr '0.1")
    widget.start()
    assert "more options" in one_error()
    assert not widget.is_running


def test_missing_folders_are_one_line(window, qtbot, tmp_path):
    _, widget = window
    widget.use_folders(tmp_path / "nowhere", tmp_path / "drawn")
    assert "no such folder" in start_and_fail(qtbot, widget)
    notification_manager.records.clear()
    widget.slides.line.clear()
    widget.start()
    assert "folder of slides" in one_error()


def test_a_training_that_is_killed_is_one_line(window, qtbot):
    _, widget = window
    widget.epochs.setValue(ENDLESS)
    widget.start()
    qtbot.waitUntil(lambda: pid_of(widget) > 0)
    os.kill(pid_of(widget), 9)
    qtbot.waitUntil(lambda: bool(notification_manager.records))
    assert "crashed" in one_error()
    assert not widget.is_running


def test_missing_packages_are_told_before_anything_is_started(
    make_napari_viewer, monkeypatch, qtbot
):
    monkeypatch.setattr("wsiseg.viewer.fine_tuning.NEEDED", ("no_such_package",))
    widget = FineTuneWidget(make_napari_viewer())
    qtbot.addWidget(widget)
    assert "pip install 'wsiseg[train]'" in widget.status.text()


def test_the_folder_of_the_slide_in_the_window_is_suggested(make_napari_viewer, slide_file, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.open(str(slide_file), plugin="wsiseg")
    widget = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(widget)
    qtbot.waitUntil(lambda: widget.slides.path is not None)
    assert widget.slides.path == slide_file.parent


@pytest.mark.long
def test_closing_the_panel_ends_the_training(make_napari_viewer, folders, qtbot):
    viewer = make_napari_viewer()
    dock, widget = viewer.window.add_plugin_dock_widget("wsiseg", "Fine-tune")
    prepare_small_training(widget, folders)
    widget.epochs.setValue(ENDLESS)
    widget.start()
    wait_for_epochs(qtbot, widget, 1)
    pid = pid_of(widget)
    del widget
    dock.destroyOnClose()
    del dock
    qtbot.waitUntil(lambda: is_gone(pid))
    assert not notification_manager.records


CLOSING = """
import sys
from pathlib import Path
import napari
from qtpy.QtCore import QTimer
from wsiseg.viewer.widgets.fine_tuning import FineTuneWidget

slides, drawn, small, epochs = sys.argv[1:]
viewer = napari.Viewer()
widget = FineTuneWidget(viewer)
viewer.window.add_dock_widget(widget)
widget.use_folders(Path(slides), Path(drawn))
widget.begin_with(None)
widget.mpp.setValue(0.5)
widget.epochs.setValue(int(epochs))
widget.tiles.setValue(2)
widget.extra_options.setText(small)
widget.start()

def look():
    if widget.curves.points.get("train_loss"):
        print(widget._training.pid, flush=True)
        timer.stop()
        viewer.close()

timer = QTimer()
timer.timeout.connect(look)
timer.start(20)
napari.run()
"""


@pytest.mark.long  # closing the panel does the same, in less time
def test_closing_the_window_ends_the_training(folders):
    words = [str(folders[0]), str(folders[1]), SMALL, str(ENDLESS)]
    closed = subprocess.run(
        [sys.executable, "-c", CLOSING, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert closed.returncode == 0, closed.stderr
    assert "Traceback" not in closed.stderr
    assert "QProcess" not in closed.stderr
    assert is_gone(int(closed.stdout))

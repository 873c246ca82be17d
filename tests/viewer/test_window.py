"""The window that ``wsiseg view`` opens, and what it says where it cannot."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from napari._qt import qt_viewer
from napari.utils.notifications import notification_manager
from PIL import Image
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QScrollArea, QTabBar

from commands import run
from pictures import draw
from tiny import segment_tiny
from wsiseg.annotations import Annotation, write_qupath
from wsiseg.errors import AnnotationError, CheckpointError
from wsiseg.viewer import window
from wsiseg.viewer.layers.layer_data import KEY
from wsiseg.viewer.opening import furnish, scene_layers
from zarr_images import halves, write_image

# Each window registers actions; napari's own app takes them once in a process.
pytestmark = pytest.mark.usefixtures("mock_app_model")


def add_all(viewer, layers):
    return [getattr(viewer, f"add_{kind}")(data, **settings) for data, settings, kind in layers]


def test_slide_tissue_and_mask_are_in_place(make_napari_viewer, slide_file, mask_store):
    viewer = make_napari_viewer()
    slide, tissue, mask = add_all(viewer, scene_layers(slide_file, [mask_store]))
    furnish(viewer)
    assert [slide.name, tissue.name, mask.name] == ["biopsy", "tissue", "biopsy mask"]
    assert viewer.layers.selection.active is mask
    assert viewer.canvas.overlays.scale_bar.visible
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"micrometer"}


def test_the_whole_window_opens_with_its_widgets_and_asks_for_no_reader(
    qtbot, slide_file, mask_store, tmp_path, monkeypatch
):
    viewer = window.open_window(slide_file, [mask_store])
    try:
        docked = list(viewer.window.dock_widgets)
        for name in (*window.WIDGETS, window.LEGEND):
            assert any(name in each for each in docked), (name, docked)
        assert "biopsy.tiff" in viewer.title
        viewer.window.resize(1280, 800)
        qtbot.wait(200)
        (bar,) = (
            bar
            for bar in viewer.window._qt_window.findChildren(QTabBar)
            if bar.isVisible() and bar.count() == len(window.WIDGETS)
        )
        for tab in range(bar.count()):
            words = bar.fontMetrics().horizontalAdvance(window.WIDGETS[tab])
            assert bar.tabText(tab) == window.WIDGETS[tab]
            assert words + 4 < bar.tabRect(tab).width()
            assert bar.rect().contains(bar.tabRect(tab))
        look_on_a_small_screen(viewer, bar, qtbot)
        # What is dropped: napari-ome-zarr and napari's own reader take the same endings.
        shapes = tmp_path / "biopsy.geojson"
        write_qupath(shapes, [Annotation("tumour", shapely.box(100, 200, 400, 500))])
        picture = tmp_path / "roi.png"
        Image.new("RGB", (40, 30), "white").save(picture)
        monkeypatch.setattr(qt_viewer, "handle_gui_reading", pytest.fail)
        before = set(viewer.layers)
        dropped = [str(shapes), str(mask_store), str(picture)]
        viewer.window._qt_viewer._qt_open(dropped, stack=False)
        new = [layer for layer in viewer.layers if layer not in before]
        # A slide comes before the mask on it, and that before shapes.
        assert [type(layer).__name__ for layer in new] == ["Image", "Labels", "Shapes"]
        kinds = [type(layer.metadata[KEY]).__name__ for layer in new]
        assert kinds == ["SlideView", "MaskView", "DrawingView"]
    finally:
        viewer.close()
        qtbot.wait(50)


def look_on_a_small_screen(viewer, bar, qtbot):
    """The window fits 1280×720; what has no room scrolls, and nothing is cut off at a side."""
    whole = viewer.window._qt_window
    viewer.window.resize(1280, 720)
    for tab in range(bar.count()):
        bar.setCurrentIndex(tab)
        qtbot.wait(50)
        assert (whole.width(), whole.height()) == (1280, 720)
        for area in whole.findChildren(QScrollArea):
            if area.isVisible() and area.widgetResizable():
                assert area.widget().minimumSizeHint().width() <= area.viewport().width()
    least = whole.minimumSizeHint()
    assert least.width() < 1000
    assert least.height() < 700
    # The wheel scrolls, and changes no field that it passes.
    pane = next(each for each in viewer.window.dock_widgets.values() if hasattr(each, "epochs"))
    bar.setCurrentIndex([bar.tabText(tab) for tab in range(bar.count())].index("Fine-tune"))
    qtbot.wait(50)
    before = pane.epochs.value()
    centre = pane.epochs.rect().center()
    QApplication.sendEvent(
        pane.epochs,
        QWheelEvent(
            QPointF(centre),
            QPointF(pane.epochs.mapToGlobal(centre)),
            QPoint(0, 0),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        ),
    )
    assert pane.epochs.value() == before
    assert pane.findChild(QScrollArea).verticalScrollBar().value() > 0


def test_a_checkpoint_can_be_given_from_the_start(qtbot, slide_file):
    with pytest.raises(CheckpointError, match="no checkpoint 'nucleus'"):
        window.open_window(slide_file, [], checkpoint="nucleus")
    viewer = window.open_window(slide_file, [], checkpoint="nuclei")
    try:
        (segment,) = (w for w in viewer.window.dock_widgets.values() if hasattr(w, "checkpoint"))
        assert segment.checkpoint.text == "nuclei"
        qtbot.waitUntil(lambda: not segment.is_running, timeout=60_000)
    finally:
        viewer.close()
        qtbot.wait(50)


def test_a_mask_of_another_slide_is_told_of(qtbot, slide_file, mask_store, tmp_path):
    other = tmp_path / "other.tiff"
    shutil.copy(slide_file, other)
    notification_manager.records.clear()
    viewer = window.open_window(other, [mask_store])
    viewer.close()
    qtbot.wait(50)
    (record,) = notification_manager.records
    assert "a mask of biopsy.tiff" in record.message
    notification_manager.records.clear()


def test_a_slide_without_a_resolution_takes_that_of_its_mask(tmp_path):
    pixels, _ = draw(400, 500, 1)
    path = tmp_path / "plain.tiff"
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb")
    mask = segment_tiny(path, tmp_path, slide_mpp=0.25, mpp=0.5)
    (_, slide, _), _, (_, labels, _) = scene_layers(path, [mask])
    np.testing.assert_allclose(slide["scale"], 0.25)
    np.testing.assert_allclose(labels["scale"], 0.5)
    # Its own word counts more, and the mask follows the slide.
    (_, slide, _), _, (_, labels, _) = scene_layers(path, [mask], slide_mpp=0.5)
    np.testing.assert_allclose(slide["scale"], 0.5)
    np.testing.assert_allclose(labels["scale"], 1.0)
    np.testing.assert_allclose(labels["translate"], 0.25)


def test_pixels_that_are_not_square_are_shown_so_unless_the_user_says_otherwise(tmp_path):
    pixels, _ = draw(200, 300, 1)
    path, tags = tmp_path / "odd.tiff", {"resolution": (2e4, 4e4), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb", metadata=None, **tags)
    mask = segment_tiny(path, tmp_path, mpp=0.5)
    (shown, slide, _), _, (_, labels, _) = scene_layers(path, [mask])
    assert (shown[0] if isinstance(shown, list) else shown).shape == (200, 600, 3)
    np.testing.assert_allclose(slide["scale"], 0.25)
    np.testing.assert_allclose(labels["scale"], 0.5)
    np.testing.assert_allclose(labels["translate"], 0.125)
    with pytest.raises(AnnotationError, match="pixels of another shape"):
        scene_layers(path, [mask], slide_mpp=0.3, override_mpp=True)
    given = {"slide_mpp": 0.3, "override_mpp": True}
    as_stored = segment_tiny(path, tmp_path / "stored", mpp=0.6, **given)
    with pytest.raises(AnnotationError, match="pixels of another shape"):
        scene_layers(path, [as_stored])
    (shown, slide, _), _, (_, labels, _) = scene_layers(path, [as_stored], **given)
    assert (shown[0] if isinstance(shown, list) else shown).shape == (200, 300, 3)
    np.testing.assert_allclose(slide["scale"], 0.3)
    np.testing.assert_allclose(labels["scale"], 0.6)


def test_a_slide_alone_without_a_resolution_is_measured_in_pixels(tmp_path):
    pixels, _ = draw(400, 500, 1)
    path = tmp_path / "plain.tiff"
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb")
    (_, slide, _), _ = scene_layers(path, [])
    assert (slide["scale"], slide["units"]) == ((1.0, 1.0), ("pixel", "pixel"))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere.svs"], "there is no such slide"),
        (["SLIDE", "nowhere.ome.zarr"], "not an OME-Zarr"),
        (["MASK", "--reader", "openslide"], "a reader is chosen for slides only"),
        (["SLIDE", "--slide-mpp", "900"], "900 µm per pixel is outside"),
    ],
)
def test_what_cannot_be_shown_is_one_line_and_no_window(slide_file, mask_store, words, line):
    named = {"SLIDE": slide_file, "MASK": mask_store}
    found = run("view", *[named.get(word, word) for word in words])
    assert found.status == (2 if "--reader" in words else 1)
    assert line in found.err
    assert found.err.count("\n") == 1


@pytest.mark.parametrize("missing", ["napari", "dask", "qtpy"])
def test_without_the_extra_it_says_what_to_install(missing):
    hidden = f"sys.modules[{missing!r}] = None"
    code = f"import sys; {hidden}; from wsiseg.cli import main; main(sys.argv[1:])"
    found = subprocess.run(
        [sys.executable, "-c", code, "view", str(Path(__file__))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert found.stderr.count("\n") == 1
    assert "pip install 'wsiseg[viewer]'" in found.stderr
    assert "Traceback" not in found.stderr


def test_without_a_screen_there_is_one_line(slide_file, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    found = run("view", slide_file)
    assert found.status == 1
    assert "no screen" in found.err


def test_an_ome_zarr_image_without_masks_is_a_slide(tmp_path):
    pixels, _ = draw(400, 500, 1)
    write_image(tmp_path / "image.ome.zarr", halves(pixels, 3), "yxc", mpp=(0.25, 0.25))
    mask = segment_tiny(tmp_path / "image.ome.zarr", tmp_path / "out", level=0)
    (_, slide, kind), _, (_, labels, _) = scene_layers(tmp_path / "image.ome.zarr", [mask])
    assert kind == "image"
    np.testing.assert_allclose(slide["scale"], 0.25)
    np.testing.assert_allclose(labels["scale"], 0.25)

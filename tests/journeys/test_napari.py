"""In napari: open slides and a mask, segment the view, correct, check, save, measure, go on."""

import json
import shutil

import numpy as np
import pytest

from commands import run
from segment_window import count_reads, read_done
from tiny import tiny_checkpoint
from virtual_screen import make_patient
from window_user import click, drag, pane, press
from wsiseg.store.label_images import open_label_image
from wsiseg.tiling.bands import NO_LABEL

pytest.importorskip("napari", reason="the viewer is an extra: pip install 'wsiseg[viewer]'")

# Each window registers actions; napari's own app takes them once in a process.
pytestmark = pytest.mark.usefixtures("screen", "mock_app_model")

SIZE = 1280, 720
TISSUE, GLASS = (1000, 1700, 1300, 2000), (60, 60, 110, 110)
"""Regions of the slide in pixels: left, top, right, bottom."""
GREEN = (0, 160, 64)


def polygon(left, top, right, bottom):
    corners = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    geometry = {"type": "Polygon", "coordinates": [corners]}
    return {"type": "Feature", "properties": {"objectType": "annotation"}, "geometry": geometry}


@pytest.fixture
def folder(tmp_path, monkeypatch, real_slide):
    """Two slides, of which the first was segmented in two regions."""
    (tmp_path / "slides").mkdir()
    for name in ("biopsy.svs", "second.svs"):
        shutil.copy(real_slide, tmp_path / "slides" / name)
    regions = [polygon(*TISSUE), polygon(*GLASS)]
    drawn = json.dumps({"type": "FeatureCollection", "features": regions})
    (tmp_path / "roi.geojson").write_text(drawn)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def open_window(qtbot, settle):
    """Return a function that does as ``wsiseg view`` does, on a small screen."""
    from wsiseg.viewer import window

    opened = []

    def open_on_small_screen(*arguments, **keywords):
        viewer = window.open_window(*arguments, **keywords)
        opened.append(viewer)
        viewer.window.resize(*SIZE)
        settle()
        return viewer

    yield open_on_small_screen
    for viewer in opened:
        viewer.close()
    settle()


def see(viewer, settle, qtbot, y, x, zoom):
    """Look at a place of the slide, in pixels, and wait until it is shown."""
    viewer.scene.camera.center, viewer.scene.camera.zoom = (y * 0.499, x * 0.499), zoom
    settle()
    qtbot.waitUntil(lambda: all(each.loaded for each in viewer.layers if each.visible))
    settle()


def segment_regions(folder, checkpoint):
    """Segment the two regions of the first slide, as the command line does."""
    made = run(
        *("segment", "slides/biopsy.svs", "-c", checkpoint, "--roi", "roi.geojson"),
        *("--runtime", "torch", "-o", "slides"),
    )
    assert made.status == 0, made.err
    return json.loads((folder / "slides" / "biopsy.run.json").read_text())["summary"]


@pytest.mark.parametrize("checkpoint", ["tiny", pytest.param("nuclei", marks=pytest.mark.long)])
def test_from_a_mask_to_annotations(
    folder, screens, open_window, settle, qtbot, checkpoint, monkeypatch
):
    make_patient(qtbot)
    if checkpoint == "tiny":
        checkpoint = str(tiny_checkpoint(3, mpp=0.5).save(folder / "tiny.safetensors"))
    summary = segment_regions(folder, checkpoint)

    # The window has the mask, its border, the slide's state, the areas and the run's warning.
    viewer = open_window(folder / "slides", [], checkpoint=checkpoint)
    slides, legend = pane(viewer, "Slides"), pane(viewer, "Legend")
    qtbot.waitUntil(lambda: len(slides.states) == 2)
    assert [str(state) for state in slides.states] == ["segmented", "untouched"]
    qtbot.waitUntil(lambda: bool(legend.list.topLevelItem(0).text(2)))
    for row, entry in enumerate(summary["classes"]):
        shown = float(legend.list.topLevelItem(row).text(2))
        assert shown == pytest.approx(entry["mm2"], rel=1e-3, abs=1e-6)
    assert "1 of 2 regions lie outside the tissue" in legend.warnings.text()
    assert legend.warnings.isVisible()
    settle()
    screens.window("opened", viewer)
    see(viewer, settle, qtbot, 1850, 1150, 2.0)
    shot = screens.window("border", viewer)
    green = np.abs(shot.astype(int) - GREEN).sum(-1) < 40
    # A frame of 300 pixels of 0.499 µm, two screen pixels a µm.
    assert green.sum(axis=0).max() > 250
    assert green.sum(axis=1).max() > 250

    # The field of view is segmented by the checkpoint that the window was opened with.
    segment = pane(viewer, "Segment")
    qtbot.waitUntil(lambda: not segment.is_running)
    see(viewer, settle, qtbot, 2000, 1200, 3.0)
    reads = count_reads(monkeypatch)
    click(segment.starting)
    qtbot.waitUntil(lambda: "biopsy field of view" in viewer.layers)
    qtbot.waitUntil(lambda: not segment.is_running)
    height, width = viewer.layers["biopsy field of view"].data.shape
    assert read_done(segment) == (width, height, 0.5, len(reads))
    settle()
    screens.window("segmented", viewer)

    correct(viewer, folder, screens, settle, qtbot)
    slides = pane(viewer, "Slides")
    qtbot.waitUntil(lambda: str(slides.states[0]) == "segmented, annotated")


def correct(viewer, folder, screens, settle, qtbot):
    """Correct with the brush, and save what was brushed with a margin around it."""
    annotate = pane(viewer, "Annotate")
    click(annotate.buttons["Correct mask"])
    qtbot.waitUntil(lambda: "biopsy painting" in viewer.layers)
    qtbot.waitUntil(annotate.buttons["Save"].isEnabled)
    painting = viewer.layers["biopsy painting"]
    painting.brush_size = 20
    before = painting.data.copy()
    press(viewer, "3")
    assert painting.selected_label == 2
    y, x = 2000 * 0.499, 1200 * 0.499
    drag(viewer, *((y + k / 4, x - 40 + k) for k in range(0, 80, 4)))
    brushed = (painting.data == 2) & (before != 2)
    assert brushed.sum() > 500
    annotate.folder.choose(folder / "drawn")
    settle()
    screens.window("corrected", viewer)
    click(annotate.buttons["Save"])
    qtbot.waitUntil(lambda: "Saved as" in annotate.status.text())
    saved = folder / "drawn" / "biopsy.ome.zarr"
    assert str(saved) in annotate.status.text()
    kept = open_label_image(saved).values[:, :]
    assert (kept == 2).sum() >= brushed.sum()
    assert 0.5 < (kept == NO_LABEL).mean() < 1


@pytest.mark.long
def test_from_slide_to_slide(folder, screens, open_window, settle, qtbot):
    make_patient(qtbot)
    summary = segment_regions(folder, "nuclei")
    viewer = open_window(folder / "slides", [])
    slides = pane(viewer, "Slides")
    qtbot.waitUntil(lambda: len(slides.states) == 2)
    slides.reviewed.setChecked(True)
    qtbot.waitUntil(lambda: str(slides.states[0]) == "segmented, reviewed")

    # The whole mask is measured and exported.
    areas = pane(viewer, "Areas")
    click(areas.whole)
    qtbot.waitUntil(lambda: areas.table.rowCount() > 0)
    for row, entry in enumerate(summary["classes"]):
        assert float(areas.table.item(row, 1).text()) == pytest.approx(
            entry["mm2"], rel=1e-3, abs=1e-6
        )
    areas.files.format.setCurrentText("geojson")
    areas.files.export(folder / "biopsy.geojson")
    qtbot.waitUntil(lambda: "Exported as" in areas.files.status.text())
    assert json.loads((folder / "biopsy.geojson").read_text())["features"]
    settle()
    screens.window("measured", viewer)
    legend = pane(viewer, "Legend")
    assert all(told := [legend.list.topLevelItem(row).text(2) for row in range(4)])
    throughput = pane(viewer, "Throughput")
    click(throughput.showing)
    qtbot.waitUntil(lambda: "ms per tile" in viewer.layers)
    assert throughput.figures["speed"].text() == f"{summary['mpx_per_s']:.2f} Mpx/s"
    settle()
    # Another layer came and went to the front; what was counted stays.
    assert [legend.list.topLevelItem(row).text(2) for row in range(4)] == told
    screens.window("throughput", viewer)

    # A painting is in memory only: the next slide is opened when that is asked for once more.
    see(viewer, settle, qtbot, 1850, 1150, 3.0)
    viewer.layers.remove("ms per tile")
    annotate = pane(viewer, "Annotate")
    click(annotate.buttons["Correct mask"])
    qtbot.waitUntil(lambda: "biopsy painting" in viewer.layers)
    viewer.layers["biopsy painting"].paint((20, 20), 1)
    slides = pane(viewer, "Slides")
    slides.save(folder / "skin.wsiseg.json")
    click(slides.next)
    assert "would be lost" in slides.status.text()
    settle()
    screens.window("asked", viewer)
    click(slides.next)
    qtbot.waitUntil(lambda: "Slide 2 of 2" in slides.status.text())
    assert viewer.layers[0].name == "second"
    viewer.close()

    # Tomorrow it goes on there.
    viewer = open_window(folder / "skin.wsiseg.json", [])
    slides = pane(viewer, "Slides")
    assert slides.project.current == 1
    qtbot.waitUntil(lambda: len(slides.states) == 2)
    assert [str(state) for state in slides.states] == ["segmented, reviewed", "untouched"]
    settle()
    screens.window("tomorrow", viewer)

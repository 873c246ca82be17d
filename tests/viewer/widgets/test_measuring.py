"""Areas, figures and legend of the mask that is selected."""

import csv
import json
import shutil
import threading

import numpy as np
import pytest
import zarr
from napari.utils.colormaps import label_colormap
from napari.utils.notifications import notification_manager
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from wsiseg.classes import LabelClass
from wsiseg.tiling import Box
from wsiseg.viewer.layers.layer_data import KEY
from wsiseg.viewer.painting import give_classes, painting_layer, region_at
from wsiseg.viewer.scene import add_layers, current_slide
from wsiseg.viewer.widgets import throughput
from wsiseg.viewer.widgets.legend import LegendWidget
from wsiseg.viewer.widgets.measuring import AreasWidget
from wsiseg.viewer.widgets.throughput import ThroughputWidget


@pytest.fixture
def viewer(make_napari_viewer, slide_file, mask_store):
    viewer = make_napari_viewer()
    viewer.open(str(slide_file), plugin="wsiseg")
    viewer.open(str(mask_store), plugin="wsiseg")
    return viewer


@pytest.fixture
def areas(viewer):
    return viewer.window.add_plugin_dock_widget("wsiseg", "Areas")[1]


def test_the_whole_mask_is_measured(qtbot, areas, mask_store):
    assert isinstance(areas, AreasWidget)
    areas.whole.click()
    qtbot.waitUntil(lambda: areas.table.rowCount() > 0)
    labels = zarr.open_array(mask_store / "0", mode="r")[:]
    for row in areas.rows:
        assert row.pixels == (labels == row.value).sum()
        assert row.mm2 == pytest.approx(row.pixels * 0.8**2 / 1e6)
    shown = [areas.table.item(n, 0).text() for n in range(areas.table.rowCount())]
    assert shown == [row.name for row in areas.rows]
    assert areas.table.item(0, 2).text() == f"{areas.rows[0].share:.1%}"
    assert not areas.bar.isVisible()
    assert areas.status.text() == "biopsy mask: whole mask"


def test_a_drawn_region_is_measured(qtbot, viewer, areas, mask_store):
    mask = viewer.layers.selection.active
    # World coordinates are µm from the centre of the slide's first pixel of 0.5 µm.
    corners = np.array([[80, 160], [80, 240], [160, 240], [160, 160]]) - 0.25
    viewer.add_shapes([corners], shape_type="rectangle", units=("um", "um"))
    viewer.layers.selection.active = mask
    areas.drawn.click()
    qtbot.waitUntil(lambda: areas.table.rowCount() > 0)
    labels = zarr.open_array(mask_store / "0", mode="r")[100:200, 200:300]
    assert {row.value: row.pixels for row in areas.rows if row.pixels} == {
        value: (labels == value).sum() for value in np.unique(labels)
    }


def test_areas_are_saved_as_they_are_shown(qtbot, areas, tmp_path):
    areas.whole.click()
    qtbot.waitUntil(areas.saving.isEnabled)
    areas.save(tmp_path / "areas.csv")
    with (tmp_path / "areas.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["class"] for line in lines] == [row.name for row in areas.rows]
    assert [int(line["pixels"]) for line in lines] == [row.pixels for row in areas.rows]
    assert areas.status.text() == f"Saved as {tmp_path / 'areas.csv'}"


def test_shares_of_tissue_leave_glass_aside_and_two_classes_make_a_ratio(qtbot, areas, viewer):
    names = {0: "glass", 1: "stroma", 2: "tumour"}
    classes = {v: LabelClass(name, (9 * v, 0, 0)) for v, name in names.items()}
    region = region_at(current_slide(viewer), Box(0, 0, 20, 30), None, classes)
    labels = np.zeros((20, 30), np.uint8)
    labels[:10, :15], labels[:10, 15:20], labels[19] = 1, 2, 255
    data, settings, _ = painting_layer(region, labels)
    viewer.add_labels(data, **settings)
    areas.whole.click()
    qtbot.waitUntil(lambda: areas.table.rowCount() == 4)

    def column(number):
        return [areas.table.item(row, number).text() for row in range(4)]

    # 570 pixels are labelled, 200 of them as tissue: 150 and 50.
    assert column(2) == ["64.9%", "26.3%", "8.8%", ""]
    assert column(3) == ["", "75.0%", "25.0%", ""]
    assert areas.glass == {0, 255}
    assert (areas.above.currentText(), areas.below.currentText()) == ("tumour", "stroma")
    assert areas.ratio.text() == "0.3333"
    areas.below.setCurrentText("glass")
    assert areas.ratio.text() == f"{50 / 370:.4g}"
    # Whoever counts glass as tissue says so.
    areas.table.item(0, 0).setCheckState(Qt.CheckState.Checked)
    assert column(3) == ["64.9%", "26.3%", "8.8%", ""]


def test_the_mask_is_exported_and_measured_in_the_window(qtbot, areas, viewer, tmp_path):
    files = areas.files
    files.format.setCurrentText("png")
    files.export(tmp_path / "mask.png")
    qtbot.waitUntil(lambda: files.status.text().startswith("Exported as "))
    labels = zarr.open_array(viewer.layers["biopsy mask"].metadata[KEY].image.path / "0")[:]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "mask.png")), labels)
    qtbot.waitUntil(lambda: not files.is_running)
    files.measure(tmp_path / "tables.json")
    qtbot.waitUntil(lambda: files.status.text().startswith("Measured: tables.json"))
    assert (tmp_path / "tables.json").is_file()
    qtbot.waitUntil(lambda: not files.is_running)
    files.export(tmp_path / "mask.jpeg")
    qtbot.waitUntil(lambda: files.status.text().startswith("Failed: the name of png files"))


@pytest.mark.parametrize(
    ("button", "line"), [("whole", "no mask in the window"), ("drawn", "no mask in the window")]
)
def test_without_a_mask_it_says_so(make_napari_viewer, button, line):
    viewer = make_napari_viewer()
    _, areas = viewer.window.add_plugin_dock_widget("wsiseg", "Areas")
    notification_manager.records.clear()
    getattr(areas, button).click()
    assert line in notification_manager.records[-1].message
    # The notification goes after a while; the widget keeps it.
    assert areas.status.text().startswith("Failed: ")
    assert line in areas.status.text()


def test_without_a_region_it_says_how_to_draw_one(areas):
    notification_manager.records.clear()
    areas.drawn.click()
    assert "no region is drawn" in notification_manager.records[-1].message


def test_throughput_shows_the_figures_of_the_run_and_its_heat_map(
    make_napari_viewer, qtbot, slide_file, mask_store, tmp_path
):
    folder = shutil.copytree(mask_store.parent, tmp_path / "run")
    run, table = folder / "biopsy.run.json", folder / "biopsy.tiles.csv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    content = json.loads(run.read_text())
    assert content["summary"]["tiles"] == len(rows)
    # Figures of which none is another's; reading beside the network costs nothing.
    content["summary"] |= {"mpx_per_s": 12.346, "seconds": 98.76, "forward_seconds": 54.32}
    content["summary"] |= {"unread_tiles": 7, "peak_rss_mb": 4321.4, "bottleneck": "setup"}
    run.write_text(json.dumps(content))
    costs = {"read_ms": 9999, "wait_ms": 1000, "forward_ms": 200, "stitch_ms": 30, "write_ms": 4}
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | costs for row in rows[:-1])
        writer.writerow(rows[-1] | costs | {"forward_ms": 5200})
    viewer = make_napari_viewer()
    viewer.open(str(slide_file), plugin="wsiseg")
    viewer.open(str(folder / mask_store.name), plugin="wsiseg")
    _, widget = viewer.window.add_plugin_dock_widget("wsiseg", "Throughput")
    assert isinstance(widget, ThroughputWidget)
    widget.showing.click()
    qtbot.waitUntil(lambda: "ms per tile" in viewer.layers)
    assert {name: label.text() for name, label in widget.figures.items()} == {
        "speed": "12.35 Mpx/s",
        "tiles": f"{len(rows)} of 256×256 px",
        "time": "98.8 s, 54.3 s in the network",
        "mean per tile": f"{1234 + 5000 / len(rows):.0f} ms",
        "slowest tile": "6234 ms",
        "unreadable tiles": "7",
        "memory": "4321 MiB at most",
        "runtime": "torch fp32 on cpu",
        "bottleneck": "start-up",
    }
    heat, slide = viewer.layers["ms per tile"], viewer.layers["biopsy"]
    np.testing.assert_allclose(heat.extent.world[1], slide.extent.world[1], rtol=0.01)


def test_throughput_replaces_its_heat_map_and_makes_it_off_the_event_loop(
    qtbot, viewer, monkeypatch
):
    threads, make = [], throughput.throughput_layer

    def make_noting(*args):
        threads.append(threading.current_thread())
        return make(*args)

    monkeypatch.setattr(throughput, "throughput_layer", make_noting)
    _, widget = viewer.window.add_plugin_dock_widget("wsiseg", "Throughput")
    shown = []
    viewer.layers.events.inserted.connect(lambda event: shown.append(event.value))
    for count in (1, 2):
        widget.showing.click()
        qtbot.waitUntil(lambda count=count: len(shown) == count)
    assert [layer for layer in viewer.layers if "ms per tile" in layer.name] == [shown[-1]]
    assert viewer.layers.selection.active is viewer.layers["biopsy mask"]
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("damage", [lambda s: s.pop("mpx_per_s"), lambda s: s.update(seconds=None)])
def test_a_run_file_that_lacks_figures_is_told(
    make_napari_viewer, qtbot, mask_store, tmp_path, damage
):
    folder = shutil.copytree(mask_store.parent, tmp_path / "run")
    run = folder / "biopsy.run.json"
    content = json.loads(run.read_text())
    damage(content["summary"])
    run.write_text(json.dumps(content))
    viewer = make_napari_viewer()
    viewer.open(str(folder / mask_store.name), plugin="wsiseg")
    _, widget = viewer.window.add_plugin_dock_widget("wsiseg", "Throughput")
    notification_manager.records.clear()
    widget.showing.click()
    qtbot.waitUntil(lambda: bool(notification_manager.records))
    (record,) = notification_manager.records
    assert "figures" in record.message
    assert widget.status.text() == f"Failed: {record.message}"
    assert "unexpected" not in record.message
    assert "\n" not in record.message
    assert len(viewer.layers) == 1


def listed(legend):
    items = map(legend.list.topLevelItem, range(legend.list.topLevelItemCount()))
    return [item.text(0) for item in items]


def swatch(legend, row):
    icon = legend.list.topLevelItem(row).icon(0)
    return icon.pixmap(14, 14).toImage().pixelColor(7, 7).getRgb()


def test_the_legend_follows_what_is_edited(viewer):
    _, legend = viewer.window.add_plugin_dock_widget("wsiseg", "Legend")
    tumour, fat = LabelClass("tumour", (200, 0, 0)), LabelClass("fat", (250, 250, 0))
    region = region_at(current_slide(viewer), Box(0, 0, 20, 30), None, {0: tumour})
    data, settings, _ = painting_layer(region)
    layer = viewer.add_labels(data, **settings)
    assert listed(legend) == ["tumour", "not annotated"]
    give_classes(layer, {0: LabelClass("tumor", (0, 200, 0)), 2: fat})
    assert listed(legend) == ["tumor", "fat", "not annotated"]
    assert [swatch(legend, row)[:3] for row in (0, 1)] == [(0, 200, 0), fat.colour]
    # napari's own choice of colours.
    layer.colormap = label_colormap(49)
    assert listed(legend) == ["tumor", "fat", "not annotated"]
    layer.name = "second opinion"
    assert legend.heading.text() == "second opinion"
    viewer.layers.selection.active = viewer.layers["biopsy mask"]
    give_classes(layer, {0: tumour})
    assert legend.heading.text() == "biopsy mask"


def test_a_class_is_hidden_by_its_tick_and_by_its_number(make_napari_viewer, qtbot, mask_store):
    viewer = make_napari_viewer(show=True)
    viewer.open(str(mask_store), plugin="wsiseg")
    _, legend = viewer.window.add_plugin_dock_widget("wsiseg", "Legend")
    (layer,) = viewer.layers
    classes = layer.metadata[KEY].image.classes
    labels = zarr.open_array(mask_store / "0", mode="r")[:]
    # What the run has counted.
    qtbot.waitUntil(lambda: legend.list.topLevelItem(0).text(1) != "")
    for row, value in enumerate(sorted(classes)):
        share, area = (legend.list.topLevelItem(row).text(column) for column in (1, 2))
        pixels = (labels == value).sum()
        assert share == f"{pixels / labels.size:.1%}"
        assert float(area) == pytest.approx(pixels * 0.8**2 / 1e6, rel=1e-3)

    def opacity(value):
        return layer.colormap.map(np.array([value]))[0][3]

    legend.list.topLevelItem(1).setCheckState(0, Qt.CheckState.Unchecked)
    assert [opacity(value) for value in (0, 1, 2)] == [1, 0, 1]
    assert swatch(legend, 1)[:3] == classes[1].colour
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_3)
    QTest.keyClick(canvas, Qt.Key.Key_2)
    assert [opacity(value) for value in (0, 1, 2)] == [1, 1, 0]
    states = [legend.list.topLevelItem(row).checkState(0) for row in range(3)]
    assert states == [Qt.CheckState.Checked, Qt.CheckState.Checked, Qt.CheckState.Unchecked]
    legend.opacity.setValue(80)
    assert layer.opacity == pytest.approx(0.8)
    layer.opacity = 0.25
    assert legend.opacity.value() == 25


def test_in_a_painting_the_numbers_choose_what_is_painted_and_areas_follow(
    make_napari_viewer, qtbot, slide_file
):
    viewer = make_napari_viewer(show=True)
    viewer.open(str(slide_file), plugin="wsiseg")
    _, annotate = viewer.window.add_plugin_dock_widget("wsiseg", "Annotate")
    _, legend = viewer.window.add_plugin_dock_widget("wsiseg", "Legend")
    drawn = {0: LabelClass("tumour", (9, 0, 0)), 3: LabelClass("fat", (0, 9, 0))}
    region = region_at(current_slide(viewer), Box(0, 0, 20, 30), None, drawn)
    add_layers(viewer, [painting_layer(region)])
    layer = viewer.layers.selection.active
    assert listed(legend) == ["tumour", "fat", "not annotated"]
    canvas = viewer.window._qt_viewer.canvas.native
    for key, value in ((Qt.Key.Key_2, 3), (Qt.Key.Key_1, 0), (Qt.Key.Key_9, 0)):
        QTest.keyClick(canvas, key)
        assert layer.selected_label == annotate.classes.value == value
    layer.data_setitem((np.zeros(30, int), np.arange(30)), 3)
    qtbot.waitUntil(lambda: legend.list.topLevelItem(1).text(1) == "100.0%")
    assert float(legend.list.topLevelItem(1).text(2)) == pytest.approx(30 * 0.25 / 1e6)


def test_the_legend_follows_the_selection(viewer):
    _, legend = viewer.window.add_plugin_dock_widget("wsiseg", "Legend")
    assert isinstance(legend, LegendWidget)
    classes = viewer.layers["biopsy mask"].metadata[KEY].image.classes
    names = [entry.name for _, entry in sorted(classes.items())]
    assert listed(legend) == [*names, "not analysed"]
    for number, (_, entry) in enumerate(sorted(classes.items())):
        assert swatch(legend, number)[:3] == entry.colour
    viewer.layers.remove("biopsy mask")
    assert listed(legend) == []
    assert legend.heading.text() == "no mask"

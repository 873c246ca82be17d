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

from wsiseg.classes import LabelClass
from wsiseg.tiling import Box
from wsiseg.viewer.layers.layer_data import KEY
from wsiseg.viewer.painting import give_classes, painting_layer, region_at
from wsiseg.viewer.scene import current_slide
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


@pytest.mark.parametrize(
    ("button", "line"), [("whole", "no mask in the window"), ("drawn", "no mask in the window")]
)
def test_without_a_mask_it_says_so(make_napari_viewer, button, line):
    viewer = make_napari_viewer()
    _, areas = viewer.window.add_plugin_dock_widget("wsiseg", "Areas")
    notification_manager.records.clear()
    getattr(areas, button).click()
    assert line in notification_manager.records[-1].message


def test_without_a_region_it_says_how_to_draw_one(areas):
    notification_manager.records.clear()
    areas.drawn.click()
    assert "no region is drawn" in notification_manager.records[-1].message


def test_throughput_fills_in_figures_and_adds_the_heat_map(qtbot, viewer):
    _, widget = viewer.window.add_plugin_dock_widget("wsiseg", "Throughput")
    assert isinstance(widget, ThroughputWidget)
    widget.showing.click()
    qtbot.waitUntil(lambda: "ms per tile" in viewer.layers)
    assert "Mpx/s" in widget.figures["speed"].text()
    assert "torch fp32" in widget.figures["runtime"].text()
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
    assert "unexpected" not in record.message
    assert "\n" not in record.message
    assert len(viewer.layers) == 1


def listed(legend):
    return [legend.list.item(n).text() for n in range(legend.list.count())]


def swatch(legend, row):
    return legend.list.item(row).icon().pixmap(14, 14).toImage().pixelColor(7, 7).getRgb()


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


def test_the_legend_follows_the_selection(viewer):
    _, legend = viewer.window.add_plugin_dock_widget("wsiseg", "Legend")
    assert isinstance(legend, LegendWidget)
    classes = viewer.layers["biopsy mask"].metadata[KEY].image.classes
    names = [entry.name for _, entry in sorted(classes.items())]
    assert listed(legend) == [*names, "not analysed"]
    for number, (_, entry) in enumerate(sorted(classes.items())):
        assert swatch(legend, number)[:3] == entry.colour
    assert 0 < swatch(legend, len(names))[3] < 255
    viewer.layers.remove("biopsy mask")
    assert legend.list.count() == 0
    assert legend.heading.text() == "no mask"

"""The manifest: every command is there, and the menus do what they say."""

import napari
import npe2
import pytest
from napari.utils.notifications import notification_manager

from wsiseg.viewer import menus
from wsiseg.viewer.readers import samples

MANIFEST = npe2.PluginManifest.from_distribution("wsiseg")


@pytest.mark.parametrize("command", MANIFEST.contributions.commands, ids=lambda c: c.id)
def test_every_command_can_be_imported(command):
    assert callable(npe2.manifest.utils.import_python_name(command.python_name))


@pytest.mark.parametrize("widget", MANIFEST.contributions.widgets, ids=lambda w: w.display_name)
def test_every_widget_opens_in_an_empty_window(make_napari_viewer, widget):
    viewer = make_napari_viewer()
    notification_manager.records.clear()
    _, opened = viewer.window.add_plugin_dock_widget("wsiseg", widget.display_name)
    assert opened is not None
    assert not notification_manager.records


def test_the_sample_is_a_slide_with_its_mask(make_napari_viewer, tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr(samples, "HEIGHT", 600)
    monkeypatch.setattr(samples, "WIDTH", 700)
    viewer = make_napari_viewer()
    slide, mask = viewer.open_sample("wsiseg", "demo")
    assert slide.name == "demo"
    assert slide.extent.world[1] == pytest.approx(mask.extent.world[1], rel=0.01)
    before = (tmp_path / "cache" / "demo.tiff").stat().st_mtime_ns
    assert len(viewer.open_sample("wsiseg", "demo")) == 2
    assert (tmp_path / "cache" / "demo.tiff").stat().st_mtime_ns == before


@pytest.fixture
def current(make_napari_viewer, monkeypatch):
    viewer = make_napari_viewer()
    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    return viewer


@pytest.mark.parametrize("name", ["segment", "annotate", "fine_tune", "areas", "throughput"])
def test_menus_open_the_widgets(current, name):
    getattr(menus, f"show_{name}")()
    (docked,) = current.window.dock_widgets
    assert docked.lower().startswith(name.replace("_", "-"))


def test_tissue_and_associated_pictures_are_added_on_request(current, real_slide):
    current.open(str(real_slide), plugin="wsiseg")
    menus.add_tissue()
    menus.add_associated()
    names = [layer.name for layer in current.layers]
    assert names[1] == "tissue"
    assert [name.split(": ")[1] for name in names[2:]] == ["thumbnail", "label", "macro"]


@pytest.mark.parametrize("entry", [menus.add_tissue, menus.add_associated])
def test_without_a_slide_the_menus_say_so(current, entry):
    notification_manager.records.clear()
    entry()
    (record,) = notification_manager.records
    assert "no slide in the window" in record.message

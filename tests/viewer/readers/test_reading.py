"""What users open or drop becomes layers; what cannot be read, one line in a notification."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import shapely
import tifffile
import zarr
from napari.utils.notifications import notification_manager

from pictures import draw
from tiny import segment_tiny
from wsiseg.annotations import Annotation, write_qupath
from wsiseg.errors import UnknownFormatError
from wsiseg.store.label_images import open_label_image
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides.tiff import TiffSlide
from wsiseg.viewer.layers.layer_data import KEY
from wsiseg.viewer.readers.finder import find_reader
from wsiseg.viewer.scene import current_mask, masks_of, slide_under
from wsiseg.viewer.widgets.legend import LegendWidget

TRIANGLE = [(100.0, 200.0), (300.0, 200.0), (300.0, 500.0)]


def test_a_slide_is_one_layer_in_micrometres(make_napari_viewer, slide_file):
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(slide_file), plugin="wsiseg")
    assert (layer.name, layer.rgb, layer.multiscale) == ("biopsy", True, True)
    assert layer.scale.tolist() == [0.5, 0.5]
    assert {str(unit) for unit in layer.units} == {"micrometer"}
    with open_slide(slide_file) as slide:
        pixels = slide.read_region(0, Box(100, 200, 300, 400))
    np.testing.assert_array_equal(np.asarray(layer.data[0][100:400, 200:600]), pixels)


def test_a_mask_has_the_names_and_colours_of_its_classes(make_napari_viewer, mask_store):
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(mask_store), plugin="wsiseg")
    labels = zarr.open_array(mask_store / "0", mode="r")[:]
    np.testing.assert_array_equal(np.asarray(layer.data[0]), labels)
    image = layer.metadata[KEY].image
    assert list(layer.features["class"])[:-1] == [c.name for _, c in sorted(image.classes.items())]
    assert list(layer.features["class"])[-1] == "not analysed"
    for value, entry in image.classes.items():
        colour = np.asarray(layer.colormap.map(np.array([value])))[0]
        np.testing.assert_allclose(colour[:3] * 255, entry.colour, atol=1)
    np.testing.assert_allclose(layer.scale, 0.8)
    # The centre of a working pixel lies further in than that of the slide's first pixel.
    np.testing.assert_allclose(layer.translate, (0.8 - 0.5) / 2)


@pytest.mark.parametrize("name", ["broken.svs", "text.tiff", "broken.ome.zarr"])
def test_what_cannot_be_read_is_told_in_one_line(make_napari_viewer, tmp_path, name):
    path = tmp_path / name
    if name.endswith(".zarr"):
        zarr.create_group(store=path, attributes={"ome": {"image-label": {}}})
    else:
        path.write_text("no slide")
    viewer = make_napari_viewer()
    notification_manager.records.clear()
    assert viewer.open(str(path), plugin="wsiseg") == []
    (record,) = notification_manager.records
    assert name in record.message
    assert "\n" not in record.message
    assert not hasattr(record, "exception")


def test_a_mask_that_is_dropped_lies_on_its_slide_in_the_window(make_napari_viewer, tmp_path):
    pixels, _ = draw(400, 500, 1)
    path = tmp_path / "plain.tiff"
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb")
    mask = segment_tiny(path, tmp_path, slide_mpp=0.25, mpp=0.5)
    viewer = make_napari_viewer()
    # The file states no resolution, and is measured in pixels.
    viewer.open(str(path), plugin="wsiseg")
    (layer,) = viewer.open(str(mask), plugin="wsiseg")
    np.testing.assert_allclose(layer.scale, 2.0)
    np.testing.assert_allclose(layer.translate, 0.5)
    assert {str(unit) for unit in layer.units} == {"pixel"}


ASAP = """<?xml version="1.0"?><ASAP_Annotations><Annotations><Annotation Name="a" Type="Polygon"
PartOfGroup="tumour" Color="#F4FA58"><Coordinates><Coordinate Order="0" X="100" Y="200"/>
<Coordinate Order="1" X="300" Y="200"/><Coordinate Order="2" X="300" Y="500"/></Coordinates>
</Annotation></Annotations><AnnotationGroups><Group Name="tumour" PartOfGroup="None"
Color="#64FE2E"/></AnnotationGroups></ASAP_Annotations>"""


@pytest.mark.parametrize("name", ["biopsy.geojson", "biopsy.xml", "other.json"])
def test_shapes_that_are_dropped_lie_on_their_slide(make_napari_viewer, slide_file, tmp_path, name):
    path = tmp_path / name
    if name.endswith(".xml"):
        path.write_text(ASAP)
    else:
        write_qupath(path, [Annotation("tumour", shapely.Polygon(TRIANGLE))])
    viewer = make_napari_viewer()
    notification_manager.records.clear()
    # Without the slide nobody knows where they lie.
    assert viewer.open(str(path), plugin="wsiseg") == []
    (record,) = notification_manager.records
    assert "slide" in record.message
    viewer.open(str(slide_file), plugin="wsiseg")
    (layer,) = viewer.open(str(path), plugin="wsiseg")
    assert list(layer.features["class"]) == ["tumour"]
    seen = (layer.data[0][:, ::-1] / 0.5 + 0.5).tolist()
    assert sorted(seen) == sorted(map(list, TRIANGLE))


def test_other_xml_and_json_are_left_to_others(tmp_path):
    for name, text in (("a.xml", "<OME/>"), ("a.json", '{"layers": []}'), ("b.json", "")):
        (tmp_path / name).write_text(text)
        assert find_reader(str(tmp_path / name)) is None


@pytest.mark.filterwarnings("ignore:color_dict did not provide a default color")
@pytest.mark.parametrize("with_image", [False, True])
def test_a_plain_napari_shows_masks_by_napari_ome_zarr(
    make_napari_viewer, slide_file, mask_store, tmp_path, with_image
):
    """What docs/viewer.md says of a napari without this package's reader."""
    pytest.importorskip("napari_ome_zarr")
    store = mask_store
    if with_image:
        segment_tiny(slide_file, tmp_path, mpp=0.8, with_image=True)
        store = tmp_path / "biopsy.ome.zarr"
    viewer = make_napari_viewer()
    *channels, labels = viewer.open(str(store), plugin="napari-ome-zarr")
    assert len(channels) == (3 if with_image else 0)
    assert list(labels.features["class"])[-1] == "not analysed"
    np.testing.assert_allclose(labels.scale, 0.8)
    for channel in channels:
        np.testing.assert_allclose(channel.extent.world, labels.extent.world)
    classes = open_label_image(mask_store).classes
    for value, entry in classes.items():
        colour = np.asarray(labels.colormap.map(np.array([value])))[0]
        np.testing.assert_allclose(colour[:3] * 255, entry.colour, atol=1)


def test_whoever_asks_for_a_reader_does_not_wait_for_torch():
    code = (
        "import sys; from wsiseg.viewer.readers.finder import find_reader; "
        "assert find_reader(sys.argv[1]); assert not find_reader('/nowhere.svs'); "
        "print([m for m in ('torch', 'zarr', 'tifffile') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, __file__], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_what_is_lost_while_it_is_looked_at_is_glass(make_napari_viewer, tmp_path, monkeypatch):
    pixels, _ = draw(1500, 1500, 1)
    path = tmp_path / "lost.tiff"
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb")
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(path), plugin="wsiseg")

    def fail(*_):
        raise UnknownFormatError("the disk is gone", path)

    monkeypatch.setattr(TiffSlide, "_read", fail)
    notification_manager.records.clear()
    assert (np.asarray(layer.data[0][600:700, :100]) == 255).all()
    assert (np.asarray(layer.data[0][900:1000, :100]) == 255).all()
    (record,) = notification_manager.records
    assert "the disk is gone" in record.message


def test_uncertainty_that_is_dropped_lies_on_its_mask_and_belongs_to_it(
    make_napari_viewer, slide_file, tmp_path
):
    mask = segment_tiny(slide_file, tmp_path, mpp=0.8, uncertainty="margin")
    viewer = make_napari_viewer()
    (slide,) = viewer.open(str(slide_file), plugin="wsiseg")
    beside, labels = viewer.open(str(mask), plugin="wsiseg")
    (alone,) = viewer.open(str(tmp_path / "biopsy.uncertainty.ome.zarr"), plugin="wsiseg")
    assert (beside.name, beside.visible, alone.visible) == ("uncertainty", False, True)
    for layer in (beside, alone):
        np.testing.assert_array_equal(layer.scale, labels.scale)
        np.testing.assert_array_equal(layer.translate, labels.translate)
        assert slide_under(viewer, layer) is slide.metadata[KEY]
    assert masks_of(viewer, mask) == [beside, labels, alone]
    assert current_mask(viewer) is labels.metadata[KEY]


def test_what_the_run_of_a_mask_warned_of_is_told(make_napari_viewer, mask_store, tmp_path):
    copy = shutil.copytree(mask_store, tmp_path / mask_store.name)
    run = json.loads((mask_store.parent / "biopsy.run.json").read_text())
    run["warnings"] = ["3 tiles are unreadable", "and something else"]
    (tmp_path / "biopsy.run.json").write_text(json.dumps(run))
    viewer = make_napari_viewer()
    notification_manager.records.clear()
    viewer.open(str(copy), plugin="wsiseg")
    (record,) = notification_manager.records
    said = "biopsy.ome.zarr: its run warned: 3 tiles are unreadable (and 1 more, see the Legend)"
    assert record.message == said
    legend = LegendWidget(viewer)
    viewer.window.add_dock_widget(legend)
    lines = legend.warnings.text().splitlines()
    assert lines == [f"Warning of the run: {each}" for each in run["warnings"]]
    viewer.layers.clear()
    assert not legend.warnings.isVisibleTo(legend)
    notification_manager.records.clear()
    # What is damaged is not taken for a run without warnings; the mask is shown all the same.
    (tmp_path / "biopsy.run.json").write_text("{")
    viewer.open(str(copy), plugin="wsiseg")
    assert [layer.name for layer in viewer.layers] == ["biopsy mask"]
    (record,) = notification_manager.records
    assert "the run file cannot be read" in record.message
    assert legend.warnings.text() == f"Warning of the run: {record.message}"
    assert legend.warnings.isVisibleTo(legend)
    notification_manager.records.clear()

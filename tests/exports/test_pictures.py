"""Pictures of labels are what the mask is, pixel for pixel, for readers that know nothing of us."""

import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import wsiseg
from stored_masks import CLASSES, draw_cells, write_mask

Image.MAX_IMAGE_PIXELS = None


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    labels = draw_cells(1500, 1101)
    return write_mask(tmp_path_factory.mktemp("cells"), labels, mpp=0.37, slide_scale=1.48), labels


def levels_of(path):
    group = zarr.open_group(path, mode="r")
    return [np.asarray(group[str(level)]) for level in range(len(list(group.array_keys())))]


def test_png_has_labels_and_colours(cells, tmp_path):
    path, labels = cells
    result = wsiseg.export(path, "png", tmp_path / "a.png")
    with Image.open(result.output) as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), labels)
        colours = np.array(picture.getpalette()).reshape(-1, 3)
        assert [tuple(colours[label]) for label in range(3)] == [c.colour for c in CLASSES]
        clear = np.asarray(picture.convert("RGBA"))[..., 3]
        np.testing.assert_array_equal(clear == 0, labels == 255)
        assert picture.info["dpi"] == pytest.approx((25400 / 0.37,) * 2, rel=1e-4)
        about = json.loads(picture.info["wsiseg"])
    assert about["classes"] == {str(label): entry.name for label, entry in enumerate(CLASSES)}
    assert (about["mpp"], about["slide_scale"]) == pytest.approx((0.37, 1.48))
    assert about["corner"] == pytest.approx([0, 0], abs=1e-9)


def test_png_of_a_size_is_a_level_of_the_pyramid(cells, tmp_path):
    path, _ = cells
    levels = levels_of(path)
    assert len(levels) > 1
    wsiseg.export(path, "png", tmp_path / "a.png", size=1499)
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), levels[1])
        assert json.loads(picture.info["wsiseg"])["mpp"] == pytest.approx(0.74)
    smallest = max(levels[-1].shape)
    with pytest.raises(wsiseg.ArgumentError, match=f"At least {smallest}"):
        wsiseg.export(path, "png", tmp_path / "b.png", size=smallest - 1)
    assert not (tmp_path / "b.png").exists()


def test_ome_tiff_has_the_pyramid_the_colours_and_the_scale(cells, tmp_path):
    path, labels = cells
    result = wsiseg.export(path, "ome-tiff", tmp_path / "a.ome.tiff")
    with tifffile.TiffFile(result.output) as file:
        (series,) = file.series
        levels = levels_of(path)
        assert (series.kind, len(series.levels)) == ("ome", len(levels))
        for level, expected in zip(series.levels, levels, strict=True):
            np.testing.assert_array_equal(level.asarray(), expected)
        assert len(file.pages) == 1
        assert len(file.pages.first.subifds) == len(levels) - 1
        described = ET.fromstring(file.ome_metadata)
    space = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"
    pixels = described.find(f".//{space}Pixels")
    for axis in "XY":
        assert float(pixels.get(f"PhysicalSize{axis}")) == pytest.approx(0.37)
        assert pixels.get(f"PhysicalSize{axis}Unit") == "µm"
        plane = pixels.find(f"{space}Plane")
        assert float(plane.get(f"Position{axis}")) == pytest.approx(0, abs=1e-9)
    names = {each.get("K"): each.text for each in described.iter(f"{space}M")}
    assert names == {str(label): entry.name for label, entry in enumerate(CLASSES)}
    # By libtiff, which knows nothing of OME.
    with Image.open(result.output) as picture:
        np.testing.assert_array_equal(np.asarray(picture), labels)
        colours = np.array(picture.getpalette()).reshape(-1, 3)
    assert [tuple(colours[label]) for label in range(3)] == [c.colour for c in CLASSES]


@pytest.mark.parametrize("form", ["png", "ome-tiff"])
def test_classes_that_are_not_exported_are_not_analysed(cells, tmp_path, form):
    path, labels = cells
    output = tmp_path / {"png": "a.png", "ome-tiff": "a.ome.tiff"}[form]
    wsiseg.export(path, form, output, classes="gland")
    with Image.open(output) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.where(labels == 1, 1, 255))

"""Pictures of labels are what the mask is, pixel for pixel, for readers that know nothing of us."""

import json
from xml.etree import ElementTree as ET

import numpy as np
import openslide
import pytest
import tifffile
import zarr
from PIL import Image

import wsiseg
from stored_masks import CLASSES, draw_cells, write_mask
from wsiseg.classes import LabelClass

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
    told = {
        each.get("Namespace"): {pair.get("K"): pair.text for pair in each.iter(f"{space}M")}
        for each in described.iter(f"{space}MapAnnotation")
    }
    assert {k: float(v) for k, v in told["wsiseg/placement"].items()} == pytest.approx(
        {"CornerX": 0, "CornerY": 0, "ScaleX": 1.48, "ScaleY": 1.48}, abs=1e-9
    )
    names = told["wsiseg/classes"]
    assert names == {str(label): entry.name for label, entry in enumerate(CLASSES)}
    # By libtiff, which knows nothing of OME.
    with Image.open(result.output) as picture:
        np.testing.assert_array_equal(np.asarray(picture), labels)
        colours = np.array(picture.getpalette()).reshape(-1, 3)
    assert [tuple(colours[label]) for label in range(3)] == [c.colour for c in CLASSES]


COLOURS = {label: entry.colour for label, entry in enumerate(CLASSES)} | {255: (255, 255, 255)}


def coloured(labels):
    palette = np.zeros((256, 3), np.uint8)
    for label, colour in COLOURS.items():
        palette[label] = colour
    return palette[labels]


def test_tiff_is_a_slide_for_openslide(cells, tmp_path):
    path, _ = cells
    result = wsiseg.export(path, "tiff", tmp_path / "a.tiff")
    assert result.warnings == ()
    levels = levels_of(path)
    with openslide.OpenSlide(result.output) as slide:
        assert slide.properties["openslide.vendor"] == "generic-tiff"
        for axis in "xy":
            assert float(slide.properties[f"openslide.mpp-{axis}"]) == pytest.approx(0.37)
        assert slide.level_dimensions == tuple(each.shape[::-1] for each in levels)
        for number, labels in enumerate(levels):
            pixels = np.asarray(slide.read_region((0, 0), number, labels.shape[::-1]))
            assert (pixels[..., 3] == 255).all()
            np.testing.assert_array_equal(pixels[..., :3], coloured(labels))
        about = json.loads(slide.properties["tiff.ImageDescription"])
    assert about["colours"] == {str(n): list(entry.colour) for n, entry in enumerate(CLASSES)}
    with wsiseg.open_slide(result.output) as slide:
        assert slide.mpp == pytest.approx(0.37)
        assert [level.box.shape for level in slide.levels] == [each.shape for each in levels]


def test_colours_that_do_not_tell_classes_apart_are_named(tmp_path):
    classes = [LabelClass("a", (255, 255, 255)), LabelClass("b", (1, 2, 3))]
    classes.append(LabelClass("c", (1, 2, 3)))
    path = write_mask(tmp_path, np.zeros((5, 6), np.uint8), classes=classes)
    told = wsiseg.export(path, "tiff", tmp_path / "a.tiff").warnings
    assert [each.split(";")[0] for each in told] == [
        "a has the colour of what was not analysed",
        "c has the colour of b",
    ]


@pytest.mark.parametrize("form", ["png", "ome-tiff"])
def test_classes_that_are_not_exported_are_not_analysed(cells, tmp_path, form):
    path, labels = cells
    output = tmp_path / {"png": "a.png", "ome-tiff": "a.ome.tiff"}[form]
    wsiseg.export(path, form, output, classes="gland")
    with Image.open(output) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.where(labels == 1, 1, 255))

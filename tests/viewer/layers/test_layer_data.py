"""Layers of tissue, tiles, probabilities and associated pictures lie and look as they should."""

import json
import shutil

import numpy as np
import pytest
import shapely
import zarr
from matplotlib.path import Path as Outline

import wsiseg
from tiny import segment_tiny
from wsiseg.annotations import Annotation, write_qupath
from wsiseg.errors import OutputError, WsisegError
from wsiseg.throughput.tile_costs import milliseconds
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.tiling.tissue import find_tissue
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import (
    KEY,
    SlideView,
    associated_layers,
    throughput_layer,
    tissue_layer,
)
from wsiseg.viewer.layers.run_tiles import read_tiles
from wsiseg.viewer.readers.stores import open_store, store_layers
from wsiseg.viewer.run_notes import has_regions, run_warnings


@pytest.fixture
def shown(slide_file):
    with wsiseg.open_slide(slide_file) as slide:
        yield SlideView(slide, Frame.of(slide))


def fail(error):
    raise error


def test_the_tissue_is_outlined_as_segment_finds_it(shown, monkeypatch):
    plane = plane_at_level(shown.slide, 0)
    found = np.zeros_like(find_tissue(shown.slide, plane).mask)
    found[100:300, 150:500] = True
    found[600:, 700:] = True
    monkeypatch.setattr(
        "wsiseg.viewer.layers.layer_data.find_tissue", lambda *_: type("T", (), {"mask": found})
    )
    outlines, settings, kind = tissue_layer(shown)
    assert (kind, len(outlines)) == ("shapes", 2)
    assert settings["units"] == ("um", "um")
    # Every pixel of the mask that is not at a border lies inside if it is tissue, else outside.
    y, x = np.mgrid[: found.shape[0], : found.shape[1]] + 0.5
    stretch = np.array([plane.height, plane.width]) / found.shape
    places = shown.frame.to_world(np.stack([y.ravel(), x.ravel()], -1) * stretch)
    inside = np.zeros(found.size, bool)
    for outline in outlines:
        inside |= Outline(outline).contains_points(places)
    assert (inside.reshape(found.shape) != found).mean() < 0.005


def test_the_heat_map_has_the_milliseconds_of_each_tile(mask_store):
    tiles = read_tiles(open_store(mask_store))
    heat, factor = tiles.heat_map()
    assert factor * max(heat.shape) >= max(tiles.places.plane)
    ((height, width),) = tiles.places.shapes
    for row in tiles.rows:
        centre = (row.y + height // 2) // factor, (row.x + width // 2) // factor
        assert heat[centre] == pytest.approx(milliseconds(row), rel=1e-5)
    assert not np.isnan(heat).any()


def test_the_heat_map_covers_the_slide(mask_store, shown):
    heat, settings, kind = throughput_layer(read_tiles(open_store(mask_store)), shown.frame)
    assert kind == "image"
    extent = np.array(heat.shape) * settings["scale"]
    level = shown.slide.levels[0]
    np.testing.assert_allclose(extent, np.array([level.height, level.width]) * 0.5, rtol=0.01)


def test_a_mask_without_its_run_has_no_heat_map(mask_store, tmp_path):
    alone = tmp_path / mask_store.name
    shutil.copytree(mask_store, alone)
    with pytest.raises(OutputError, match=r"biopsy\.run\.json"):
        read_tiles(open_store(alone))


def test_probabilities_lie_where_their_mask_lies(slide_file, tmp_path):
    mask = segment_tiny(slide_file, tmp_path, level=1, probabilities=True)
    path = tmp_path / "biopsy.probabilities.ome.zarr"
    ((_, placed, _),) = store_layers(mask, fail)
    layers = store_layers(path, fail)
    stored = zarr.open_array(path / "0", mode="r")[:]
    assert len(layers) == len(stored) == 5
    for (data, settings, kind), plane in zip(layers, stored, strict=True):
        finest = data[0] if isinstance(data, list) else data
        np.testing.assert_array_equal(np.asarray(finest), plane)
        assert kind == "image"
        for name in ("scale", "translate", "units"):
            assert settings[name] == placed[name]


def test_a_store_with_its_image_shows_both(slide_file, tmp_path):
    segment_tiny(slide_file, tmp_path, level=1, with_image=True)
    (image, settings, _), (mask, _, kind) = store_layers(tmp_path / "biopsy.ome.zarr", fail)
    with wsiseg.open_slide(slide_file) as slide:
        pixels = slide.read_region(1, slide.levels[1].box)
    finest = image[0] if isinstance(image, list) else image
    np.testing.assert_array_equal(np.asarray(finest), pixels)
    assert settings["rgb"]
    assert kind == "labels"
    assert len(mask) == len(image)


def test_associated_pictures_stand_beside_the_slide(real_slide):
    path = real_slide
    with wsiseg.open_slide(path) as slide:
        view = SlideView(slide, Frame.of(slide))
        layers = associated_layers(view)
        assert [s["name"].split(": ")[1] for _, s, _ in layers] == ["thumbnail", "label", "macro"]
        right = slide.levels[0].width * view.frame.pixel
        for pixels, settings, _ in layers:
            assert pixels.ndim == 3
            assert settings["translate"][1] > right
        bottoms = [s["translate"][0] + p.shape[0] * s["scale"][0] for p, s, _ in layers]
        tops = [s["translate"][0] for _, s, _ in layers]
        assert all(bottom < top for bottom, top in zip(bottoms[:-1], tops[1:], strict=True))


def test_a_slide_without_pictures_has_none(shown):
    assert associated_layers(shown) == []
    with pytest.raises(WsisegError, match="no picture 'label'"):
        shown.slide.read_associated("label")


@pytest.mark.parametrize(("unit", "edge"), [("micrometer", 1.0), ("nanometer", 1000.0)])
def test_a_mask_of_another_program_lies_by_its_own_lengths(tmp_path, shown, unit, edge):
    axes = [{"name": name, "unit": unit} for name in "yx"]
    step = {"type": "scale", "scale": [edge, edge]}
    datasets = [{"path": "0", "coordinateTransformations": [step]}]
    ome = {"multiscales": [{"axes": axes, "datasets": datasets}], "image-label": {}}
    group = zarr.create_group(store=tmp_path / "other.zarr", attributes={"ome": ome})
    group.create_array("0", data=np.zeros((50, 60), np.uint8))
    for frame in (shown.frame, None):
        ((_, settings, _),) = store_layers(tmp_path / "other.zarr", fail, frame)
        assert settings["scale"] == pytest.approx((1.0, 1.0))
        assert settings["units"] == ("um", "um")
    ((_, settings, _),) = store_layers(tmp_path / "other.zarr", fail, shown.frame)
    # The slide has 0.5 µm per pixel.
    assert settings["metadata"][KEY].pixel == pytest.approx(2.0)


def test_a_damaged_chunk_of_a_mask_is_blank_and_told_of(mask_store, tmp_path):
    copy = tmp_path / mask_store.name
    shutil.copytree(mask_store, copy)
    (copy / "0" / "c" / "0" / "0").write_bytes(b"damaged")
    told = []
    ((data, _, _),) = store_layers(copy, told.append)
    finest = data[0] if isinstance(data, list) else data
    assert (np.asarray(finest[:100, :100]) == 255).all()
    assert (np.asarray(finest[1024:, :100]) != 255).all()
    assert "cannot be read" in str(told[0])


@pytest.fixture(scope="module")
def doubtful(slide_file, tmp_path_factory):
    """Return a mask with its uncertainty beside it."""
    folder = tmp_path_factory.mktemp("doubtful")
    return segment_tiny(slide_file, folder, mpp=0.8, uncertainty="entropy")


def test_uncertainty_lies_hidden_below_its_mask(doubtful):
    (data, settings, kind), (_, placed, top) = store_layers(doubtful, fail)
    assert (settings["name"], kind, top) == ("uncertainty", "image", "labels")
    assert not settings["visible"]
    stored = zarr.open_array(doubtful.with_name("biopsy.uncertainty.ome.zarr") / "0", mode="r")[:]
    assert stored.any()
    np.testing.assert_array_equal(np.asarray(data[0]), stored)
    for name in ("scale", "translate", "units"):
        assert settings[name] == placed[name]
    # What is certain, or was not analysed, hides nothing.
    assert settings["colormap"].map(np.array([0.0]))[0, 3] == 0
    assert settings["contrast_limits"] == (0, 255)


def test_uncertainty_that_is_opened_is_seen(doubtful):
    path = doubtful.with_name("biopsy.uncertainty.ome.zarr")
    ((_, settings, _),) = store_layers(path, fail)
    assert settings["visible"]
    ((_, _, _), (_, placed, _)) = store_layers(doubtful, fail)
    assert settings["translate"] == placed["translate"]


def test_uncertainty_of_another_mask_is_told_and_not_shown(doubtful, slide_file, tmp_path):
    mask = segment_tiny(slide_file, tmp_path, level=1)
    beside = tmp_path / "biopsy.uncertainty.ome.zarr"
    shutil.copytree(doubtful.with_name(beside.name), beside)
    heard = []
    ((_, _, kind),) = store_layers(mask, heard.append)
    assert kind == "labels"
    assert [str(error) for error in heard] == [
        f"it has another size than the mask beside it ({beside})."
    ]
    with pytest.raises(WsisegError, match="another size"):
        store_layers(beside, fail)


def test_a_store_with_its_image_shows_the_uncertainty_beside_it(slide_file, tmp_path):
    segment_tiny(slide_file, tmp_path, level=2, with_image=True, uncertainty="margin")
    layers = store_layers(tmp_path / "biopsy.ome.zarr", fail)
    assert [kind for _, _, kind in layers] == ["image", "image", "labels"]
    assert layers[1][1]["name"] == "uncertainty"


@pytest.mark.parametrize(("mpp", "slack"), [(0.5, 1.0), (0.8, 2.0)])
def test_the_border_of_regions_is_that_of_the_file(slide_file, tmp_path, shown, mpp, slack):
    drawn = shapely.Polygon([(300, 200), (1500, 260), (1400, 1500), (500, 1300)])
    hole = shapely.box(700, 600, 1000, 900)
    write_qupath(tmp_path / "roi.geojson", [Annotation("roi", drawn.difference(hole))])
    mask = segment_tiny(slide_file, tmp_path, mpp=mpp, roi=tmp_path / "roi.geojson")
    (rings, settings, kind), (_, _, top) = store_layers(mask, fail, shown.frame)
    assert (kind, top) == ("shapes", "labels")
    assert settings["face_color"] == "transparent"
    found = [shapely.Polygon(shown.frame.to_slide(ring)[:, ::-1]) for ring in rings]
    outer, inner = sorted(found, key=lambda each: -each.area)
    for ring, wanted in ((outer, drawn), (inner, hole)):
        # In pixels of level 0; the labels have whole pixels of their own.
        assert shapely.hausdorff_distance(ring.exterior, wanted.exterior) < 2 * slack
        assert ring.area == pytest.approx(wanted.area, rel=0.01)


def test_only_regions_have_a_border(mask_store, shown, tmp_path):
    ((_, _, kind),) = store_layers(mask_store, fail, shown.frame)
    assert kind == "labels"
    # A run file that is gone says nothing; one that is damaged is no run file without warnings.
    copy = shutil.copytree(mask_store, tmp_path / mask_store.name)
    assert run_warnings(open_store(copy)) == []
    run = mask_store.parent / "biopsy.run.json"
    assert run_warnings(open_store(mask_store)) == json.loads(run.read_text())["warnings"]
    content = json.loads(run.read_text()) | {"warnings": "none"}
    for damaged in ("{", "[]", json.dumps(content)):
        (tmp_path / run.name).write_text(damaged)
        for ask in (run_warnings, has_regions):
            with pytest.raises(OutputError, match=r"biopsy\.run\.json\)\. What the run warned of"):
                ask(open_store(copy))

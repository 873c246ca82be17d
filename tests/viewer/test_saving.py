"""What is painted comes back to the pixel, wherever and however it is kept."""

import dataclasses
import json

import numpy as np
import pytest
import shapely
import zarr
from ome_zarr_models.v05.image_label import ImageLabel

from array_slide import ArraySlide
from blots import CLASSES, HEIGHT, MIDDLE, WHOLE, WIDTH, blots, view_of
from wsiseg.annotations import read_annotations, write_qupath
from wsiseg.annotations.annotation import Annotation
from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.polygons import PolygonLabels
from wsiseg.annotations.stores import StoreLabels
from wsiseg.errors import AnnotationError, ArgumentError, OutputError, OutputExistsError
from wsiseg.store.label_images import open_label_image
from wsiseg.tiling import Box
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.slides.pixel_size import PixelSize
from wsiseg.tiling.slides.square_pixels import with_square_pixels
from wsiseg.training.datasets.folders import open_slides
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import SlideView
from wsiseg.viewer.painting import (
    region_at,
)
from wsiseg.viewer.saving import save_painting

NAMES = ClassMap.build({entry.name: entry.name for entry in CLASSES.values()})
SOURCES = {"OME-Zarr": StoreLabels, "GeoJSON": PolygonLabels}


def over(region, *painted):
    """Return the plane with labels laid over each other in one region."""
    labels = np.full(region.plane.box.shape, NO_LABEL, np.uint8)
    for box, part in painted:
        target = labels[box.slices_in(region.plane.box)]
        target[part != NO_LABEL] = part[part != NO_LABEL]
    return labels


def read_back(path, kind, region):
    source = SOURCES[kind](path, NAMES)
    return source.open(region.slide.slide, region.plane).read(region.plane.box)


@pytest.fixture(params=list(SOURCES))
def kind(request):
    return request.param


@pytest.mark.parametrize("slide_box", [WHOLE, MIDDLE], ids=["whole", "middle"])
@pytest.mark.parametrize(
    ("slide_mpp", "mpp"), [(0.5, None), (0.5, 0.8), (0.2522, 0.5), (0.5, 0.4), (None, None)]
)
def test_every_pixel_comes_back(kind, slide_box, slide_mpp, mpp, tmp_path):
    region = region_at(view_of(slide_mpp), slide_box, mpp, CLASSES)
    labels = blots(region.box.shape)
    path = save_painting(region, labels, tmp_path / "drawn", kind)
    np.testing.assert_array_equal(read_back(path, kind, region), over(region, (region.box, labels)))


def test_training_finds_it_with_names_and_colours(kind, tmp_path):
    region = region_at(view_of(), MIDDLE, 0.8, CLASSES)
    (tmp_path / "slides").mkdir()
    (tmp_path / "slides" / "array").touch()
    save_painting(region, blots(region.box.shape), tmp_path / "drawn", kind)
    data = open_slides(tmp_path / "slides", tmp_path / "drawn")
    assert [sample.name for sample in data.samples] == ["array"]
    assert set(data.classes) == set(CLASSES.values())


def test_the_store_is_valid_and_shows_255_as_not_analysed(tmp_path):
    region = region_at(view_of(), MIDDLE, 0.8, CLASSES)
    path = save_painting(region, blots(region.box.shape), tmp_path)
    group = zarr.open_group(path, mode="r")
    label = ImageLabel.from_zarr(group).ome_attributes.image_label
    assert {entry.label_value for entry in label.colors} == {0, 1, 2, NO_LABEL}
    assert open_label_image(path).classes == CLASSES


def test_labels_without_gaps_are_written_whatever_the_layer_has(kind, tmp_path):
    region = region_at(view_of(), MIDDLE, None, {4: CLASSES[0], 9: CLASSES[1], 30: CLASSES[2]})
    labels = blots(region.box.shape)
    sparse = np.array([4, 9, 30, *range(3, 256)], np.uint8)[labels]
    path = save_painting(region, sparse, tmp_path, kind)
    np.testing.assert_array_equal(read_back(path, kind, region), over(region, (region.box, labels)))


def test_a_label_that_no_class_has_is_no_annotation(kind, tmp_path):
    region = region_at(view_of(), MIDDLE, None, CLASSES)
    labels = blots(region.box.shape)
    labels[5, 5] = 17
    with pytest.raises(AnnotationError, match="value 17"):
        save_painting(region, labels, tmp_path, kind)
    assert list(tmp_path.iterdir()) == []


def test_adding_lays_one_painting_over_the_other(kind, tmp_path):
    view = view_of()
    first = region_at(view, Box(0, 0, 320, 480), 0.8, CLASSES)
    # The order of the classes is another one.
    swapped = {0: CLASSES[1], 1: CLASSES[0], 2: CLASSES[2]}
    second = region_at(view, Box(160, 240, 470, 571), 0.8, swapped)
    here, there = blots(first.box.shape), blots(second.box.shape, seed=1)
    save_painting(first, here, tmp_path, kind)
    path = save_painting(second, there, tmp_path, kind, "add")
    renamed = np.array([1, 0, *range(2, 256)], np.uint8)[there]
    expected = over(first, (first.box, here), (second.box, renamed))
    np.testing.assert_array_equal(read_back(path, kind, first), expected)
    # Once more is the same.
    save_painting(second, there, tmp_path, kind, "add")
    np.testing.assert_array_equal(read_back(path, kind, first), expected)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_what_stands_is_kept_or_replaced_as_the_user_says(kind, tmp_path):
    region = region_at(view_of(), MIDDLE, 0.8, CLASSES)
    first, second = blots(region.box.shape), blots(region.box.shape, seed=1)
    path = save_painting(region, first, tmp_path, kind)
    with pytest.raises(OutputExistsError, match="exists"):
        save_painting(region, second, tmp_path, kind)
    np.testing.assert_array_equal(read_back(path, kind, region), over(region, (region.box, first)))
    save_painting(region, second, tmp_path, kind, "replace")
    np.testing.assert_array_equal(read_back(path, kind, region), over(region, (region.box, second)))


def test_two_kinds_for_one_slide_are_refused(kind, tmp_path):
    region = region_at(view_of(), MIDDLE, 0.8, CLASSES)
    labels = blots(region.box.shape)
    save_painting(region, labels, tmp_path, kind)
    (other,) = set(SOURCES) - {kind}
    with pytest.raises(OutputExistsError, match="another format"):
        save_painting(region, labels, tmp_path, other, "replace")


def test_nothing_painted_is_nothing_to_save(kind, tmp_path):
    region = region_at(view_of(), MIDDLE, 0.8, CLASSES)
    with pytest.raises(ArgumentError, match="nothing is painted"):
        save_painting(region, np.full(region.box.shape, NO_LABEL, np.uint8), tmp_path, kind)


def test_a_folder_that_is_a_file_is_told(kind, tmp_path):
    region = region_at(view_of(), MIDDLE, 0.8, CLASSES)
    (tmp_path / "drawn").touch()
    with pytest.raises(OutputError):
        save_painting(region, blots(region.box.shape), tmp_path / "drawn", kind)


def test_what_qupath_knows_of_a_file_stays_in_it(tmp_path):
    region = region_at(view_of(), MIDDLE, 0.8, CLASSES)
    path = tmp_path / "array.geojson"
    write_qupath(path, [Annotation("stroma", shapely.box(0, 0, 50, 50))])
    content = json.loads(path.read_text())
    content["features"][0]["properties"]["measurements"] = {"nuclei": 7}
    path.write_text(json.dumps(content))
    save_painting(region, blots(region.box.shape), tmp_path, "GeoJSON", "add")
    first, *others = json.loads(path.read_text())["features"]
    assert first == content["features"][0]
    assert len(others) > 10


def test_a_failed_addition_leaves_the_drawing(tmp_path, monkeypatch):
    region = region_at(view_of(), MIDDLE, 0.8, CLASSES)
    path = tmp_path / "array.geojson"
    write_qupath(path, [Annotation("stroma", shapely.box(0, 0, 50, 50))])
    before = path.read_bytes()

    def fail(*_):
        raise OutputError("writing failed", path)

    monkeypatch.setattr("wsiseg.viewer.saving.write_atomically", fail)
    with pytest.raises(OutputError):
        save_painting(region, blots(region.box.shape), tmp_path, "GeoJSON", "add")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("if_exists", ["refuse", "add"])
def test_polygons_count_from_where_qupath_does(if_exists, tmp_path):
    bounds = Box(100, 150, 400, 500)
    region = region_at(view_of(bounds=bounds), MIDDLE, 0.8, CLASSES)
    labels = blots(region.box.shape)
    path = tmp_path / "array.geojson"
    if if_exists == "add":
        # A square at the corner of what was scanned, under what is painted.
        write_qupath(path, [Annotation("stroma", shapely.box(0, 0, 480, 380))])
    save_painting(region, labels, tmp_path, "GeoJSON", if_exists)
    found = read_back(path, "GeoJSON", region)[region.box.slices_in(region.plane.box)]
    ground = 1 if if_exists == "add" else NO_LABEL
    np.testing.assert_array_equal(found, np.where(labels == NO_LABEL, ground, labels))
    last = read_annotations(path).annotations[-1].geometry.bounds
    assert last[0] >= MIDDLE.x - bounds.x - 2


@pytest.mark.parametrize("if_exists", ["refuse", "add"])
@pytest.mark.parametrize("corner", [(0, 0), (100, 150)])
@pytest.mark.parametrize("stretch", [(1, 2), (2, 1), (1, 1.6)])
def test_polygons_are_in_pixels_of_the_file(stretch, corner, if_exists, tmp_path):
    down, across = stretch
    stored = ArraySlide(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    bounds = Box(*corner, 400, 500) if any(corner) else None
    pixel = PixelSize(0.25 * down, 0.25 * across, "array.mpp")
    stored.facts = dataclasses.replace(stored.facts, bounds=bounds, pixel_size=pixel)
    slide = with_square_pixels(stored)
    region = region_at(SlideView(slide, Frame.of(slide)), Box(320, 400, 80, 160), None, CLASSES)
    labels = np.full(region.box.shape, NO_LABEL, np.uint8)
    labels[16:64, 32:80] = 0
    path = tmp_path / "array.geojson"
    if if_exists == "add":
        write_qupath(path, [Annotation("stroma", shapely.box(0, 0, 480, 380))])
    save_painting(region, labels, tmp_path, "GeoJSON", if_exists)
    y, x = corner
    expected = (432 / across - x, 336 / down - y, 480 / across - x, 384 / down - y)
    assert read_annotations(path).annotations[-1].geometry.bounds == pytest.approx(expected)
    found = read_back(path, "GeoJSON", region)[region.box.slices_in(region.plane.box)]
    np.testing.assert_array_equal(found == 0, labels == 0)
    store = save_painting(region, labels, tmp_path / "store")
    np.testing.assert_array_equal(
        read_back(store, "OME-Zarr", region) == 0, over(region, (region.box, labels)) == 0
    )
    assert open_label_image(store).notes["stretch"] == pytest.approx(stretch)

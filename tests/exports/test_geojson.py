"""GeoJSON holds what the mask holds, in QuPath's pixels, however the mask was cut into strips."""

import gzip
import json

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import wsiseg
from stored_masks import CLASSES, draw_cells, write_mask
from wsiseg.annotations import read_annotations
from wsiseg.classes import LabelClass
from wsiseg.errors import AnnotationError, ArgumentError
from wsiseg.exports import mask as masks
from wsiseg.tiling.boxes import Box

masks_of_few = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, 1, 2, 255]),
)


def export(mask, **options):
    output = mask.parent / options.pop("name", "a.geojson")
    return wsiseg.export(mask, "geojson", output, overwrite=True, **options)


def features(path):
    data = path.read_bytes()
    content = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    assert content["type"] == "FeatureCollection"
    return content["features"]


def shapes(path):
    """Return label and polygon of each feature."""
    names = {entry.name: label for label, entry in enumerate(CLASSES)}
    return [
        (
            names[each["properties"]["classification"]["name"]],
            shapely.geometry.shape(each["geometry"]),
        )
        for each in features(path)
    ]


def fill(drawn, shape, scale=1.0):
    """Return the labels of the polygons in which the centres of pixels lie."""
    labels = np.full(shape, 255, np.uint8)
    y, x = (np.indices(shape) + 0.5) * scale
    for label, polygon in drawn:
        inside = shapely.contains_xy(polygon, x.ravel(), y.ravel()).reshape(shape)
        assert (labels[inside] == 255).all()
        labels[inside] = label
    return labels


@given(masks_of_few, st.integers(1, 5), st.sampled_from([1.0, 1.48, 0.37]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_mask_comes_back_from_its_file_pixel_by_pixel(
    tmp_path_factory, monkeypatch, labels, rows, scale
):
    folder = tmp_path_factory.mktemp("mask")
    with monkeypatch.context() as patch:
        patch.setattr(masks, "_STRIP", rows * labels.shape[1])
        result = export(write_mask(folder, labels, slide_scale=scale))
    drawn = shapes(result.output)
    assert result.features == len(drawn)
    assert all(polygon.is_valid for _, polygon in drawn)
    np.testing.assert_array_equal(fill(drawn, labels.shape, scale), labels)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A mask of 1500×900 pixels, which is stored in two bands of shards."""
    labels = draw_cells(1500, 900)
    rng = np.random.default_rng(1)
    likely = rng.integers(0, 256, (3, *labels.shape), np.uint8)
    path = write_mask(
        tmp_path_factory.mktemp("cells"), labels, mpp=0.5, slide_scale=2.0, probabilities=likely
    )
    return path, labels, likely


def test_our_reader_of_qupath_files_finds_the_mask_over_borders_of_bands(cells):
    path, labels, _ = cells
    result = export(path, name="a.geojson.gz")
    file = read_annotations(result.output)
    assert (file.origin, file.notes) == ("bounds", ())
    assert len(file.annotations) == result.features
    assert {(a.name, a.colour) for a in file.annotations} == {(c.name, c.colour) for c in CLASSES}
    # Reading back what lies on the border between the bands, and some of the rest.
    part = (slice(950, 1100), slice(0, 900))
    names = [entry.name for entry in CLASSES]
    frame = shapely.box(0, 950 * 2, 900 * 2, 1100 * 2)
    near = [
        (names.index(a.name), shapely.affinity.translate(a.geometry, 0, -950 * 2))
        for a in file.annotations
        if a.geometry.intersects(frame)
    ]
    np.testing.assert_array_equal(fill(near, (150, 900), 2.0), labels[part])
    assert sum(a.geometry.area for a in file.annotations) == 4 * (labels != 255).sum()


def test_the_file_has_what_qupath_wants(cells):
    path, *_ = cells
    found = features(export(path, objects="detection").output)
    assert {each["properties"]["objectType"] for each in found} == {"detection"}
    assert len({each["id"] for each in found}) == len(found)
    for each in found[:50]:
        polygon = shapely.geometry.shape(each["geometry"])
        # Half a µm to a pixel of the mask, and two pixels of the slide.
        area = each["properties"]["measurements"]["Area µm^2"]
        assert area == pytest.approx(polygon.area / 4 * 0.25)


def test_the_same_mask_gives_the_same_file_and_the_same_identifiers(cells, monkeypatch):
    path, *_ = cells
    one = export(path, name="one.geojson.gz").output
    assert one.read_bytes() == export(path, name="two.geojson.gz").output.read_bytes()
    monkeypatch.setattr(masks, "_STRIP", 100 * 900)
    other = export(path, name="other.geojson").output
    assert {each["id"] for each in features(one)} == {each["id"] for each in features(other)}


def test_probabilities_of_a_class_are_averaged_over_each_object(cells, monkeypatch):
    path, labels, likely = cells
    monkeypatch.setattr(masks, "_STRIP", 333 * 900)
    found = features(export(path, measurements="probability", classes="gland").output)
    assert set(found[0]["properties"]["measurements"]) == {"Mean probability"}
    y, x = (np.indices(labels.shape) + 0.5) * 2
    tallest = max(
        found, key=lambda each: np.ptp(np.array(each["geometry"]["coordinates"][0])[:, 1])
    )
    for each in [tallest, *found[::97]]:
        polygon = shapely.geometry.shape(each["geometry"])
        left, top, right, bottom = (int(edge / 2) for edge in polygon.bounds)
        part = (slice(top, bottom), slice(left, right))
        inside = shapely.contains_xy(polygon, x[part].ravel(), y[part].ravel())
        expected = likely[1][part].ravel()[inside].mean() / 255
        assert each["properties"]["measurements"]["Mean probability"] == pytest.approx(
            expected, abs=1e-4
        )


def test_classes_and_sizes_are_chosen(cells):
    path, *_ = cells
    chosen = features(export(path, classes=["gland", "Tumour: <b>&"], min_area="20um2").output)
    every = features(export(path).output)
    kept = [
        each["id"]
        for each in every
        if each["properties"]["classification"]["name"] != "ground"
        and each["properties"]["measurements"]["Area µm^2"] >= 20
    ]
    assert [each["id"] for each in chosen] == kept
    assert 0 < len(kept) < len(every)


@pytest.mark.parametrize(
    "tolerance",
    [
        2.0,
        pytest.param(0.5, marks=pytest.mark.long),
        pytest.param(20.0, marks=pytest.mark.long),
    ],
)
def test_simplified_outlines_keep_to_the_tolerance_and_are_valid(cells, tolerance):
    path, *_ = cells
    exact = {each["id"]: each for each in features(export(path).output)}
    found = features(export(path, simplify=f"{tolerance}um").output)
    assert {each["id"] for each in found} == exact.keys()
    drawn = [shapely.geometry.shape(each["geometry"]) for each in found]
    truth = [shapely.geometry.shape(exact[each["id"]]["geometry"]) for each in found]
    assert shapely.is_valid(drawn).all()
    reach = tolerance / 0.5 * 2 + 1e-6
    for one, other in zip(drawn, truth, strict=True):
        assert len(one.interiors) == len(other.interiors)
        kept, every = (shapely.get_coordinates(each) for each in (one, other))
        assert set(map(tuple, kept)) <= set(map(tuple, every))
        boundary = one.boundary
        shapely.prepare(boundary)
        assert shapely.dwithin(boundary, shapely.points(every), reach).all()
    corners, before = (shapely.get_num_coordinates(each).sum() for each in (drawn, truth))
    assert corners < before * (0.65 if tolerance == 0.5 else 0.4)


def test_simplified_neighbours_keep_their_border(tmp_path):
    y, x = np.indices((300, 300))
    labels = ((x + 20 * np.sin(y / 17)) > 150).astype(np.uint8)
    labels[(y - 150) ** 2 + (x - 150) ** 2 < 60**2] = 2
    path = write_mask(tmp_path, labels)
    drawn = [polygon for _, polygon in shapes(export(path, simplify="1.5um").output)]
    assert shapely.get_num_coordinates(drawn).sum() < 120
    # Neither gaps nor overlaps.
    assert shapely.coverage_is_valid(drawn)
    assert shapely.union_all(drawn).equals(shapely.box(0, 0, 300, 300))


def test_coordinates_count_from_the_scanned_part_or_from_level_0(tmp_path):
    labels = np.zeros((40, 50), np.uint8)
    labels[10:20, 5:15] = 1
    path = write_mask(tmp_path, labels, slide_scale=4.0, bounds=Box(16, 8, 100, 150))
    (_, polygon), _ = shapes(export(path, classes="gland").output) * 2
    assert polygon.bounds == (20 - 8, 40 - 16, 60 - 8, 80 - 16)
    (_, polygon), _ = shapes(export(path, classes="gland", coordinates="level0").output) * 2
    assert polygon.bounds == (20, 40, 60, 80)


def test_what_the_mask_cannot_tell_is_not_guessed(tmp_path, cells):
    labels = np.zeros((40, 50), np.uint8)
    path = write_mask(tmp_path, labels, mpp=None)
    assert features(export(path).output)[0]["properties"]["measurements"] == {"Area px^2": 2000}
    with pytest.raises(ArgumentError, match=r"does not tell its µm per pixel \(`min_area`\)"):
        export(path, min_area="1um2")
    with pytest.raises(AnnotationError, match=r"no probabilities beside.*probabilities\.ome"):
        export(path, measurements="area,probability")
    with pytest.raises(ArgumentError, match=r"no class 'glands'.*It has ground, gland"):
        export(path, classes="glands")


def test_nothing_to_export_is_an_empty_collection(tmp_path):
    path = write_mask(tmp_path, np.full((40, 50), 255, np.uint8))
    result = export(path)
    assert (result.features, features(result.output)) == (0, [])


@pytest.mark.parametrize(
    "name", ["dlup/qupath05.geojson", "wsi_handling/TCGA-EJ-5519-01Z-00-DX1.json"]
)
def test_what_qupath_wrote_comes_back_through_a_mask(data, tmp_path, name):
    drawn = read_annotations(data / "annotations" / name).annotations
    left, top, right, bottom = shapely.total_bounds([each.geometry for each in drawn])
    side = max(right - left, bottom - top) / 600
    shape = int(np.ceil((bottom - top) / side)), int(np.ceil((right - left) / side))
    classes = [
        LabelClass(f"{number} {each.name}", each.colour or (number, 0, 0))
        for number, each in enumerate(drawn)
    ]
    moved = [shapely.affinity.translate(each.geometry, -left, -top) for each in drawn]
    # Later ones lie on top.
    labels = np.full(shape, 255, np.uint8)
    for number, outline in enumerate(moved):
        labels[fill([(0, outline)], shape, side) == 0] = number
    seen = [
        outline.difference(shapely.union_all(moved[number + 1 :]))
        for number, outline in enumerate(moved)
    ]
    path = write_mask(tmp_path, labels, slide_scale=side, classes=classes)
    back = read_annotations(export(path).output).annotations
    assert {(each.name, each.colour) for each in back} == {(c.name, c.colour) for c in classes}
    for entry, outline in zip(classes, seen, strict=True):
        ours = shapely.union_all([each.geometry for each in back if each.name == entry.name])
        # Nowhere farther than the corner of a pixel whose centre lies on the other side.
        reach = side * 0.75
        assert shapely.within(
            shapely.get_parts(ours.boundary), outline.boundary.buffer(reach)
        ).all()
        assert ours.symmetric_difference(outline).area < reach * outline.length
        assert ours.area == pytest.approx(outline.area, rel=0.02)

"""What `wsiseg measure` writes: areas, regions, components and densities of masks on disk."""

import json
from typing import get_type_hints

import numpy as np
import pytest
import shapely
from PIL import Image
from pydantic import TypeAdapter

import wsiseg
from commands import run
from measured import LABELS, MPP, PIXEL, SIDE, read, regions
from regionprops import components
from stored_masks import CLASSES, write_mask
from tiny import tiny_checkpoint
from wsiseg.errors import AnnotationError
from wsiseg.measurements.keywords import MeasureKeywords
from wsiseg.measurements.options import MeasureOptions
from wsiseg.tiling.boxes import Box


def test_areas_are_shares_of_what_was_analysed(mask, tmp_path):
    outcome = run("measure", mask, "-o", tmp_path / "a.csv", "--json")
    assert outcome.status == 0, outcome.err
    said = json.loads(outcome.out)
    assert said["output"] == str(tmp_path / "a.csv")
    rows = read(said["output"])
    analysed = np.count_nonzero(LABELS != 255)
    counted = components(LABELS)
    for label, (row, entry) in enumerate(zip(rows, said["classes"], strict=True)):
        pixels = np.count_nonzero(label == LABELS)
        assert (row["slide"], row["class"], row["label"]) == (
            "a.svs",
            CLASSES[label].name,
            f"{label}",
        )
        assert entry["name"] == CLASSES[label].name
        assert int(row["pixels"]) == entry["pixels"] == pixels
        assert float(row["mm2"]) == entry["mm2"] == pytest.approx(pixels * PIXEL)
        assert float(row["share"]) == entry["share"] == pixels / analysed
        number = sum(LABELS[tuple(each.coords[0])] == label for each in counted)
        assert int(row["components"]) == entry["components"] == number
        assert float(row["components_per_mm2"]) == pytest.approx(number / (analysed * PIXEL))
        assert float(row["analysed_mm2"]) == pytest.approx(analysed * PIXEL)
        assert float(row["not_analysed_mm2"]) == pytest.approx((LABELS.size - analysed) * PIXEL)
    (slide,) = said["slides"]
    assert slide["classes"] == said["classes"]
    assert sum(row["share"] for row in said["classes"]) == pytest.approx(1)


def test_components_are_those_of_scikit_image_placed_on_the_slide(folder, mask, tmp_path):
    assert run("measure", mask, "--components", "-o", tmp_path / "a.csv").status == 0
    rows = read(tmp_path / "a.csv")
    likely = np.load(folder / "likely.npy")
    chosen = np.take_along_axis(likely, np.where(LABELS == 255, 0, LABELS)[None], 0)[0]
    expected = components(LABELS, chosen)
    assert [int(row["component"]) for row in rows] == list(range(1, len(expected) + 1))
    for row, each in zip(rows, expected, strict=True):
        numbers = {k: float(v) for k, v in row.items() if k not in ("slide", "mask", "class")}
        assert CLASSES[int(row["label"])].name == row["class"]
        assert numbers["pixels"] == each.area
        assert numbers["area_um2"] == each.area * MPP**2
        assert numbers["perimeter_px"] == pytest.approx(each.perimeter, rel=1e-13)
        assert numbers["perimeter_um"] == pytest.approx(each.perimeter * MPP, rel=1e-13)
        assert numbers["solidity"] == each.solidity
        assert numbers["mean_probability"] == each.intensity_mean / 255
        y, x = each.centroid
        # Corners of pixels are whole numbers on the slide.
        assert numbers["centroid_y"] == pytest.approx((y + 0.5) * SIDE)
        assert numbers["centroid_x"] == pytest.approx((x + 0.5) * SIDE)
        top, left, bottom, right = (SIDE * edge for edge in each.bbox)
        assert (numbers["box_x"], numbers["box_y"]) == (left, top)
        assert (numbers["box_width"], numbers["box_height"]) == (right - left, bottom - top)


def test_without_probabilities_their_column_is_empty(tmp_path):
    path = write_mask(tmp_path, LABELS[:40, :50])
    found = wsiseg.measure(path, components=True).tables["components"]
    assert np.isnan(found["mean_probability"]).all()
    assert not np.isnan(found["solidity"]).any()


def test_components_lie_where_the_exported_features_lie(mask, tmp_path):
    file = wsiseg.export(mask, "geojson", tmp_path / "a.geojson").output
    features = json.loads(file.read_text())["features"]
    shapes = [shapely.geometry.shape(each["geometry"]) for each in features]
    found = wsiseg.measure(mask, components=True).tables["components"]
    assert len(shapes) == len(found["pixels"])
    drawn = sorted((round(s.area), round(s.centroid.x, 3), round(s.centroid.y, 3)) for s in shapes)
    columns = (found["pixels"] * SIDE**2, found["centroid_x"], found["centroid_y"])
    measured = sorted(
        (round(area), round(x, 3), round(y, 3)) for area, x, y in zip(*columns, strict=True)
    )
    np.testing.assert_allclose(measured, drawn, atol=2e-3)


@pytest.mark.parametrize("coordinates", ["level0", "bounds"])
def test_places_count_from_the_corner_that_is_asked_for(tmp_path, coordinates):
    labels = np.full((60, 80), 255, np.uint8)
    labels[10:14, 20:26] = 1
    stretch = (2.0, 1.0)
    # Bounds in pixels of level 0, which are half as high in the file.
    path = write_mask(tmp_path, labels, slide_scale=2.0, bounds=Box(8, 6, 90, 120), stretch=stretch)
    found = wsiseg.measure(path, components=True, coordinates=coordinates).tables["components"]
    y, x = (12 * 2 / 2, 23 * 2)
    corner = (0, 0) if coordinates == "level0" else (4, 6)
    assert (found["centroid_y"][0], found["centroid_x"][0]) == (y - corner[0], x - corner[1])
    assert (found["box_height"][0], found["box_width"][0]) == (4, 12)


def test_regions_are_measured_by_the_centres_of_their_pixels(mask, tmp_path):
    # Half the width and height of the mask, and a triangle over its edge.
    half = shapely.box(0, 0, 220, 300)
    triangle = shapely.Polygon([(101, 33), (530, 250), (203, 700)])
    file = regions(
        tmp_path / "r.geojson",
        ({"name": "half"}, half),
        ({"name": "front", "classification": {"name": "Tumor"}}, triangle),
    )
    outcome = run("measure", mask, "--regions", file, "-o", tmp_path / "r.csv")
    assert "inside and outside the regions:" in outcome.out
    assert outcome.status == 0, outcome.err
    rows = read(tmp_path / "r.csv")
    y, x = np.mgrid[:300, :220] + 0.5
    centres = shapely.points(x * SIDE, y * SIDE)
    places = np.array([each.centroid for each in components(LABELS)]) + 0.5
    centroids = shapely.points(places[:, 1] * SIDE, places[:, 0] * SIDE)
    labels = np.array([LABELS[tuple(each.coords[0])] for each in components(LABELS)])
    assert [row["region"] for row in rows] == ["half"] * 3 + ["front"] * 3
    for row, (name, shape) in zip(
        rows,
        [(n, s) for n, s in (("half", half), ("front", triangle)) for _ in CLASSES],
        strict=True,
    ):
        shapely.prepare(shape)
        seen = LABELS[shapely.intersects(shape, centres)]
        label = int(row["label"])
        assert row["region"] == name
        assert int(row["pixels"]) == np.count_nonzero(seen == label)
        assert float(row["share"]) == np.mean(seen[seen != 255] == label)
        inside = shapely.intersects(shape, centroids) & (labels == label)
        assert int(row["components"]) == np.count_nonzero(inside)
    found = wsiseg.measure(mask, components=True, regions=file).tables["components"]
    inside = [shapely.intersects(shape, centroids) for shape in (half, triangle)]
    names = [
        "; ".join(np.array(["half", "front"])[list(each)]) for each in zip(*inside, strict=True)
    ]
    assert found["region"].tolist() == names


def test_regions_that_share_a_border_share_no_pixel_and_no_component(tmp_path):
    labels = np.full((40, 40), 255, np.uint8)
    # Centroids on the border between the quarters, and on its crossing.
    labels[4:6, 19:21] = labels[19:21, 4:6] = labels[19:21, 19:21] = 1
    path = write_mask(tmp_path, labels)
    quarters = [shapely.box(x, y, x + 20, y + 20) for y in (0, 20) for x in (0, 20)]
    file = regions(tmp_path / "r.geojson", *(({"name": "quarter"}, each) for each in quarters))
    found = wsiseg.measure(path, regions=file, classes="gland").tables["regions"]
    assert found["region"].tolist() == [f"quarter ({k})" for k in (1, 2, 3, 4)]
    assert found["pixels"].tolist() == [5, 3, 3, 1]
    assert found["components"].tolist() == [0, 1, 1, 1]


def test_regions_drawn_in_qupath_count_from_the_scanned_part(tmp_path):
    labels = np.zeros((100, 100), np.uint8)
    labels[40:60, 40:60] = 1
    path = write_mask(tmp_path, labels, bounds=Box(30, 30, 70, 70))
    drawn = shapely.box(10, 10, 30, 30)
    properties = {"objectType": "annotation", "classification": {"name": "Tumor"}}
    file = regions(tmp_path / "r.geojson", (properties, drawn))
    result = wsiseg.measure(path, regions=file, classes=["gland"])
    assert result.tables["regions"]["pixels"].tolist() == [400]
    assert result.tables["regions"]["region"].tolist() == ["Tumor"]
    assert any("x 30, y 30" in text for text in result.warnings)


def test_a_folder_of_regions_has_one_file_for_each_mask(tmp_path):
    paths = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths.append(write_mask(tmp_path / name, LABELS[:50, :50], slide=f"{name}.svs"))
    renamed = [path.rename(tmp_path / f"{path.parent.name}.ome.zarr") for path in paths]
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    regions(drawn / "one.geojson", ({"name": "left"}, shapely.box(0, 0, 10, 50)))
    regions(drawn / "two.json", ({}, shapely.box(0, 0, 50, 10)))
    found = wsiseg.measure(renamed, regions=drawn).tables["regions"]
    assert found["region"].tolist() == ["left"] * 3 + ["region 1"] * 3
    assert found["slide"].tolist() == ["one.svs"] * 3 + ["two.svs"] * 3
    (drawn / "two.json").unlink()
    with pytest.raises(AnnotationError, match=r"no regions for two.ome.zarr.*two.geojson"):
        wsiseg.measure(renamed, regions=drawn)


@pytest.mark.parametrize("pitch", [8.0, 11.3, 40.0, 1000.0])
def test_densities_are_counted_cell_by_cell(mask, tmp_path, pitch):
    words = ("--every", f"{pitch}um", "-o", tmp_path / "d.csv")
    assert run("measure", mask, *words).status == 0
    rows = read(tmp_path / "d.csv")
    cell = pitch / MPP
    down, across = (np.floor((np.arange(edge) + 0.5) / cell + 1e-9) for edge in LABELS.shape)
    found = components(LABELS)
    places = np.array([np.floor((np.array(each.centroid) + 0.5) / cell + 1e-9) for each in found])
    kinds = np.array([LABELS[tuple(each.coords[0])] for each in found])
    total = 0
    for row in rows:
        r, c, label = int(row["row"]), int(row["column"]), int(row["label"])
        part = LABELS[np.ix_(down == r, across == c)]
        analysed = np.count_nonzero(part != 255)
        assert int(row["pixels"]) == np.count_nonzero(part == label)
        assert float(row["share"]) == np.count_nonzero(part == label) / analysed
        number = np.count_nonzero((places == (r, c)).all(axis=1) & (kinds == label))
        assert int(row["components"]) == number
        assert float(row["components_per_mm2"]) == pytest.approx(number / (analysed * PIXEL))
        assert float(row["x"]) == np.flatnonzero(across == c)[0] * SIDE
        assert float(row["height"]) == np.count_nonzero(down == r) * SIDE
        total += int(row["pixels"])
    # Cells of which nothing was analysed are left out, and nothing else.
    assert total == np.count_nonzero(LABELS != 255)
    assert all(float(row["analysed_mm2"]) > 0 for row in rows)


def test_masks_of_several_slides_are_one_table(tmp_path):
    paths = []
    for name, mpp, part in (("one", 0.5, LABELS[:60, :60]), ("two", 1.0, LABELS[60:120, :90])):
        (tmp_path / name).mkdir()
        paths.append(write_mask(tmp_path / name, part, mpp=mpp, slide=f"{name}.svs"))
    result = wsiseg.measure(paths, tmp_path / "a.csv")
    rows = read(tmp_path / "a.csv")
    assert [row["slide"] for row in rows] == ["one.svs"] * 3 + ["two.svs"] * 3
    assert [row["mask"] for row in rows] == [str(path) for path in paths for _ in range(3)]
    gland = result.classes[1]
    one, two = (np.count_nonzero(part == 1) for part in (LABELS[:60, :60], LABELS[60:120, :90]))
    assert gland.pixels == one + two
    assert gland.mm2 == pytest.approx((one * 0.25 + two) / 1e6)
    assert sum(each.share for each in result.classes) == pytest.approx(1)
    assert [each.slide for each in result.slides] == ["one.svs", "two.svs"]
    with pytest.raises(wsiseg.ArgumentError, match="a mask is given twice"):
        wsiseg.measure([paths[0], paths[0]])


def test_a_folder_of_masks_is_all_of_them_and_companions_are_none(folder, tmp_path):
    by_folder = run("measure", folder, "-o", tmp_path / "a.csv")
    assert by_folder.status == 0, by_folder.err
    stores = sorted(folder.glob("*.ome.zarr"))
    assert len(stores) == 2
    assert run("measure", *stores, "-o", tmp_path / "b.csv").status == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_unknown_resolution_leaves_areas_empty(tmp_path):
    path = write_mask(tmp_path, LABELS[:60, :60], mpp=None)
    outcome = run("measure", path, "--components", "-o", tmp_path / "a", "--json")
    assert outcome.status == 0, outcome.err
    assert [entry["mm2"] for entry in json.loads(outcome.out)["classes"]] == [None] * 3
    assert all(row["mm2"] == row["analysed_mm2"] == "" for row in read(tmp_path / "a/classes.csv"))
    assert all(row["area_um2"] == "" for row in read(tmp_path / "a/components.csv"))
    assert all(row["perimeter_px"] for row in read(tmp_path / "a/components.csv"))


def test_a_mask_of_which_nothing_was_analysed_has_no_shares(tmp_path):
    path = write_mask(tmp_path, np.full((30, 30), 255, np.uint8))
    outcome = run("measure", path, "--components", "--every", "5um", "-o", tmp_path / "a", "--json")
    assert outcome.status == 0, outcome.err
    assert [entry["share"] for entry in json.loads(outcome.out)["classes"]] == [None] * 3
    assert read(tmp_path / "a/components.csv") == read(tmp_path / "a/density.csv") == []


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        ("-o a.xlsx", 2, "tables are not written to files that end with '.xlsx' (--output)."),
        ("-o stands.csv --components --every 9um", 1, "the output already exists (stands.csv)"),
        ("-o a.csv --every 9um --components", 1, "the output already exists (a.density.csv)"),
        ("-o a.csv --every 9", 2, "'9' is not a length (--every)"),
        ("-o a.csv --every 0.2um", 2, "cells would be smaller than pixels of the mask (--every)"),
        ("-o a.csv --every 0um", 2, "0um is too small (--every)"),
        ("-o a.csv --classes glnd", 2, "the mask has no class 'glnd' (--classes)"),
        ("-o a.csv --regions no.geojson", 1, "the annotations cannot be read: No such file"),
        ("-o a.csv --regions empty.geojson", 1, "the file holds no annotation"),
        ("-o a.csv --regions far.geojson", 1, "all regions lie outside the mask"),
        ("-o no/a.csv", 1, "there is no such folder"),
        ("-o stands.csv", 1, "the output already exists"),
        ("-o stands", 1, "the output already exists"),
        ("-o a --format xls", 2, "'xls' is not one of the choices (--format)"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(mask, tmp_path, monkeypatch, words, status, line):
    monkeypatch.chdir(tmp_path)
    regions(tmp_path / "empty.geojson")
    regions(tmp_path / "far.geojson", ({}, shapely.box(9000, 9000, 9900, 9900)))
    (tmp_path / "stands").mkdir()
    for name in ("stands.csv", "stands/classes.csv", "a.density.csv"):
        (tmp_path / name).write_text("mine")
    before = {path: path.is_file() and path.read_text() for path in tmp_path.rglob("*")}
    outcome = run("measure", mask, *words.split())
    assert outcome.status == status, outcome.err
    (said,) = outcome.err.splitlines()
    assert said.startswith(f"error: {line}"), said
    assert {path: path.is_file() and path.read_text() for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda folder: folder / "none.ome.zarr", "there is no such mask"),
        (lambda folder: folder, "a folder is not a mask"),
        (lambda folder: write_mask(folder, LABELS, finish=False), "the mask is unfinished"),
        (lambda folder: write_mask(folder, LABELS, finish=False).parent, "the mask is unfinished"),
    ],
)
def test_what_is_no_finished_mask_is_refused_in_a_line(tmp_path, make, what):
    (tmp_path / "in").mkdir()
    outcome = run("measure", make(tmp_path / "in"), "-o", tmp_path / "a.csv")
    assert outcome.status == 1
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"error: {what}")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_progress_comes_to_its_end(mask):
    heard = []
    wsiseg.measure([mask], progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_segment_counts_what_is_measured(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (160, 210, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    words = ("-c", checkpoint, "--slide-mpp", 0.5, "--tissue", "none", "--runtime", "torch")
    outcome = run("segment", tmp_path / "p.png", "-o", tmp_path / "out", *words, "--json")
    assert outcome.status == 0, outcome.err
    (entry,) = json.loads(outcome.out)["slides"]
    result = wsiseg.measure(tmp_path / "out")
    counted = [(each["name"], each["pixels"]) for each in entry["classes"]]
    assert [(each.name, each.pixels) for each in result.classes] == counted
    (row,) = read(tmp_path / "out" / "cohort.csv")
    for each in result.classes:
        assert float(row[f"mm2 {each.name}"]) == pytest.approx(each.mm2, abs=1e-6)


def test_the_typed_keywords_are_the_settings():
    hints = get_type_hints(MeasureKeywords)
    fields = MeasureOptions.model_fields
    assert hints.keys() == fields.keys()
    for name, field in fields.items():
        assert TypeAdapter(hints[name]).validate_python(field.default) == field.default, name


def test_two_masks_of_one_slide_are_told(tmp_path):
    labels = np.zeros((20, 30), np.uint8)
    masks = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        masks.append(write_mask(tmp_path / name, labels))
    (warning,) = wsiseg.measure(masks).warnings
    assert warning.startswith("2 masks are of slides called a.svs")
    assert not wsiseg.measure(masks[:1]).warnings

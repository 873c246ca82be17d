"""Annotations of one slide under another's name: half of them lie where it has no tissue."""

import json
import re

import numpy as np
import pytest
import shapely
import tifffile

from array_slide import ArraySlide
from commands import run
from tiny import named_checkpoint, segment_tiny
from trainings import RecordingListener
from wsiseg.annotations import Annotation, write_qupath
from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.off_tissue import describe_labels_off_tissue, describe_off_tissue
from wsiseg.annotations.stores import StoreLabels
from wsiseg.classes import LabelClass
from wsiseg.store.metadata import Placement
from wsiseg.store.painted_masks import PaintedPart, write_painted_mask
from wsiseg.tiling import Box
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.resolution import plane_at_mpp
from wsiseg.training import EvaluateOptions
from wsiseg.training.datasets.folders import open_slides
from wsiseg.training.datasets.working_resolution import WorkingResolution
from wsiseg.training.evaluating import score
from wsiseg.training.survey import survey

HEIGHT, WIDTH = 1200, 1600
CENTRES = [(y, x) for y in range(100, 1200, 200) for x in range(60, 760, 100)]


def pixels_with_tissue(left, right):
    """Return glass, and between two columns tissue."""
    random = np.random.default_rng(0)
    pixels = random.integers(236, 243, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    shape = (HEIGHT, right - left, 3)
    pixels[:, left:right] = random.integers(-20, 20, shape) + np.array([170, 90, 150])
    return pixels


def shapes(edge, shift=0):
    """Return squares, all of them on the left half unless they are shifted."""
    made = np.empty(len(CENTRES), object)
    made[:] = [
        shapely.box(x + shift - edge / 2, y - edge / 2, x + shift + edge / 2, y + edge / 2)
        for y, x in CENTRES
    ]
    return made


@pytest.fixture(scope="module")
def slide():
    return ArraySlide(pixels_with_tissue(0, 800), mpp=0.5)


@pytest.mark.parametrize("edge", [1, 12, 70])
def test_shapes_on_tissue_are_not_doubted_and_others_are(slide, edge):
    assert describe_off_tissue(shapes(edge), slide) == ()
    (said,) = describe_off_tissue(shapes(edge, 800), slide)
    count = len(CENTRES)
    assert said == f"{count} of {count} annotations lie outside the tissue: are they of array?"


@pytest.mark.parametrize(("away", "told"), [(0.4, False), (0.5, True), (0.7, True)])
def test_half_of_them_is_enough(slide, away, told):
    count = round(away * len(CENTRES))
    mixed = np.concatenate([shapes(20)[count:], shapes(20, 800)[:count]])
    assert bool(describe_off_tissue(mixed, slide)) == told


def test_what_leaves_no_doubt(slide):
    assert describe_off_tissue(shapes(20)[:0], slide) == ()
    everywhere = ArraySlide(np.full((HEIGHT, WIDTH, 3), 245, np.uint8), mpp=0.5)
    assert describe_off_tissue(shapes(20), everywhere) == ()
    # A ring around tissue has its middle beside it, and its area on it.
    ring = np.array([shapely.Point(400, 600).buffer(380).difference(shapely.box(0, 0, 1, 1))])
    assert describe_off_tissue(ring, slide) == ()


@pytest.fixture
def swapped(tmp_path):
    """Two slides with tissue at either side, and both have the annotations of the first."""
    for folder in ("slides", "drawn"):
        (tmp_path / folder).mkdir()
    tags = {"resolution": (2e4, 2e4), "resolutionunit": "CENTIMETER", "metadata": None}
    for name, columns in (("first", (0, 800)), ("second", (800, 1600))):
        pixels = pixels_with_tissue(*columns)
        path = tmp_path / "slides" / f"{name}.tiff"
        tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", **tags)
        drawn = [Annotation(("a", "b")[k % 2], shape) for k, shape in enumerate(shapes(60))]
        write_qupath(tmp_path / "drawn" / f"{name}.geojson", drawn)
    return tmp_path


DOUBT = r"(\d+) of \1 annotations lie outside the tissue: are they of second\.tiff\?"


def test_a_survey_and_scores_say_which_slide_it_is(swapped):
    dataset = open_slides(swapped / "slides", swapped / "drawn")
    first, second = survey(dataset, WorkingResolution(mpp=1.0)).samples
    assert not any("tissue" in note for note in first.notes)
    assert any(re.fullmatch(DOUBT, note) for note in second.notes)
    listener = RecordingListener()
    options = EvaluateOptions(boundary=False, mpp=1.0)
    score(named_checkpoint(("a", "b")), dataset, options, listener)
    assert [bool(re.fullmatch(f"second: {DOUBT}", line)) for line in listener.warnings] == [True]


@pytest.mark.long  # the same on the command line
def test_train_and_evaluate_say_which_slide_it_is(swapped):
    data = ("--slides", swapped / "slides", "--annotations", swapped / "drawn", "--mpp", 1)
    small = ("--set", "alpha2=1", "--set", "alpha3=1", "--workers", 0, "--batch", 1, "--tile", 64)
    few = ("--tiles", 1, "--epochs", 1, "--val-fraction", 0)
    trained = run("train", *data, *small, *few, "-o", swapped / "run", "--json")
    assert trained.status == 0, trained.err
    warned = json.loads(trained.out)["warnings"]
    (doubt,) = (line for line in warned if "outside the tissue" in line)
    assert re.fullmatch(f"second: {DOUBT}", doubt)
    checkpoint = swapped / "run" / "best.safetensors"
    scored = run("evaluate", "-c", checkpoint, *data, "--no-boundary")
    assert scored.status == 0, scored.err
    assert re.search(f"warning: second: {DOUBT}", scored.err)
    assert "first:" not in scored.err


def test_segment_says_so_of_regions(swapped):
    regions = [Annotation("roi", shapely.box(x, 400, x + 50, 450)) for x in (100, 300, 1200)]
    write_qupath(swapped / "roi.geojson", regions)
    for name in ("first", "second"):
        slide, out = swapped / "slides" / f"{name}.tiff", swapped / name
        segment_tiny(slide, out, roi=swapped / "roi.geojson", tissue="auto", mpp=1.0)
        warned = json.loads((out / f"{name}.run.json").read_text())["warnings"]
        said = "2 of 3 regions lie outside the tissue: are they of second.tiff?"
        assert (said in warned) == (name == "second")


def painted(path, squares, full=None, mpp=1.0):
    """Write squares as labels painted at half the size of the slide; return the store."""
    height, width = round(HEIGHT * 0.5 / mpp), round(WIDTH * 0.5 / mpp)
    labels = np.full((height, width), NO_LABEL if full is None else full, np.uint8)
    for number, square in enumerate(squares):
        left, top, right, bottom = (round(edge * 0.5 / mpp) for edge in square.bounds)
        labels[top:bottom, left:right] = number % 2
    part = PaintedPart(
        labels,
        Box(0, 0, height, width),
        labels.shape,
        Placement(mpp, mpp / 0.5),
        tuple(LabelClass(name, (k, k, k)) for k, name in enumerate(("a", "b", "c"))),
        "any.tiff",
    )
    write_painted_mask(path, part)
    return path


def doubts(store, slide):
    names = ClassMap.build({name: name for name in "abc"})
    opened = StoreLabels(store, names).open(slide, plane_at_mpp(slide, 1.0))
    return describe_labels_off_tissue(opened, slide)


@pytest.mark.parametrize("mpp", [0.5, 1.0, 2.0])
def test_painted_areas_are_looked_at_as_shapes_are(slide, tmp_path, mpp):
    assert doubts(painted(tmp_path / "on.ome.zarr", shapes(60), mpp=mpp), slide) == ()
    (said,) = doubts(painted(tmp_path / "off.ome.zarr", shapes(60, 800), mpp=mpp), slide)
    count = len(CENTRES)
    assert said == f"{count} of {count} painted areas lie outside the tissue: are they of array?"


@pytest.mark.parametrize(("left", "told"), [(0, False), (800, True)])
def test_of_a_mask_that_labels_everything_the_ground_does_not_count(tmp_path, left, told):
    """As segment leaves one: glass is most of the slide, and the classes lie on its tissue."""
    there = ArraySlide(pixels_with_tissue(left, left + 700), mpp=0.5)
    found = doubts(painted(tmp_path / "whole.ome.zarr", shapes(60), full=2), there)
    assert bool(found) == told
    # Where the ground is tissue itself, the other classes may well be glass.
    full = ArraySlide(pixels_with_tissue(0, 1500), mpp=0.5)
    assert doubts(tmp_path / "whole.ome.zarr", full) == ()


def test_a_survey_and_scores_doubt_masks_as_well(swapped):
    for name in ("first", "second"):
        (swapped / "drawn" / f"{name}.geojson").unlink()
        painted(swapped / "drawn" / f"{name}.ome.zarr", shapes(60))
    dataset = open_slides(swapped / "slides", swapped / "drawn")
    first, second = survey(dataset, WorkingResolution(mpp=1.0)).samples
    doubt = DOUBT.replace("annotations", "painted areas")
    assert not any("tissue" in note for note in first.notes)
    assert any(re.fullmatch(doubt, note) for note in second.notes)
    listener = RecordingListener()
    score(named_checkpoint("abc"), dataset, EvaluateOptions(boundary=False, mpp=1.0), listener)
    assert [bool(re.fullmatch(f"second: {doubt}", line)) for line in listener.warnings] == [True]

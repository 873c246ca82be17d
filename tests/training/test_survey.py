"""What is where, and what is wrong, before anything is learnt."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shapely.geometry import box as rectangle

from drawn import collection, in_qupath, write
from labelled import striped, write_samples
from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.labels import IGNORED, LabelPlane, Labels, LabelSource
from wsiseg.annotations.polygons import PolygonLabels
from wsiseg.errors import (
    AnnotationError,
    DamagedSlideError,
    DataSetError,
    SlideError,
    SlideNotFoundError,
)
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide
from wsiseg.training.datasets.dataset import DataSet, Sample
from wsiseg.training.datasets.open_samples import OpenSample
from wsiseg.training.datasets.working_resolution import WorkingResolution
from wsiseg.training.survey import survey

TUMOUR = ClassMap.read("tissue=tissue,tumour=tumour")


def mask(seed: int = 0, shape: tuple[int, int] = (70, 90)) -> Labels:
    values = np.uint8([0, 1, 2, IGNORED])
    return np.random.default_rng(seed).choice(values, shape, p=[0.6, 0.3, 0.02, 0.08])


def hollow_slide(path: Path, height: int, width: int) -> Path:
    """Write a picture that says it is large, and has the pixels of a small one."""
    Image.new("RGB", (4, 4)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    return path


def draw(folder: Path, *shapes: tuple[tuple[float, float, float, float], str]) -> PolygonLabels:
    """Draw boxes of ``(y, x, bottom, right)`` over each other."""
    features = (in_qupath(rectangle(b[1], b[0], b[3], b[2]), name) for b, name in shapes)
    return PolygonLabels(write(folder, collection(*features), "drawn.geojson"), TUMOUR)


def drawn_on(image: Path, labels: LabelSource) -> DataSet:
    return DataSet("drawn", TUMOUR.classes, (Sample(image.stem, image, labels),), sparse=True)


def test_pixels_of_pictures_are_counted_exactly(tmp_path: Path) -> None:
    masks = [mask(0), mask(1, (33, 41)), np.full((5, 6), 2, np.uint8)]
    found = survey(write_samples(tmp_path, *masks), WorkingResolution())
    for sample, labels in zip(found.samples, masks, strict=True):
        assert sample.shape == labels.shape
        np.testing.assert_array_equal(
            sample.pixels, [(labels == label).sum() for label in range(3)]
        )
    np.testing.assert_array_equal(found.pixels, np.sum([s.pixels for s in found.samples], axis=0))


def test_places_belong_to_their_class_and_are_all_different(tmp_path: Path) -> None:
    labels = mask()
    (sample,) = survey(write_samples(tmp_path, labels), WorkingResolution()).samples
    assert set(sample.places) == {0, 1, 2}
    for label, places in sample.places.items():
        assert (labels[tuple(places.T)] == label).all()
        # Few enough to remember every one.
        assert len({tuple(place) for place in places.tolist()}) == (labels == label).sum()


def test_many_samples_remember_fewer_places_each_spread_over_their_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsiseg.training.survey._PLACES", 1200)
    dataset = write_samples(tmp_path, *(np.zeros((60, 60), np.uint8) for _ in range(4)))
    for sample in survey(dataset, WorkingResolution()).samples:
        places = sample.places[0]
        assert len(places) == 300
        quarters = np.histogram2d(*places.T, bins=2, range=((0, 60), (0, 60)))[0]
        assert np.abs(quarters - 75).max() < 4 * np.sqrt(75 * 0.75)
        np.testing.assert_array_equal(sample.pixels, [3600, 0, 0])


def test_a_survey_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsiseg.training.survey._PLACES", 100)
    dataset = write_samples(tmp_path, mask(0), mask(0))
    first, second = survey(dataset, WorkingResolution()), survey(dataset, WorkingResolution())
    for one, other in zip(first.samples, second.samples, strict=True):
        for label in range(3):
            np.testing.assert_array_equal(one.places[label], other.places[label])
    # Samples that are alike are still looked at in places of their own.
    here, there = (sample.places[0] for sample in first.samples)
    assert not np.array_equal(here, there)


@pytest.mark.parametrize(("scale", "shape"), [(0.5, (35, 45)), (2.0, (140, 180))])
def test_counts_and_places_are_in_working_pixels(
    tmp_path: Path, scale: float, shape: tuple[int, int]
) -> None:
    dataset, resolution = write_samples(tmp_path, mask()), WorkingResolution(scale=scale)
    (sample,) = survey(dataset, resolution).samples
    assert sample.shape == shape
    with OpenSample(dataset.samples[0], resolution) as opened:
        labels = opened.labels(Box(0, 0, *shape))
    for label in range(3):
        assert sample.pixels[label] == (labels == label).sum()
        assert (labels[tuple(sample.places[label].T)] == label).all()


def test_the_listener_hears_of_every_sample(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    dataset = write_samples(tmp_path, *(mask(seed) for seed in range(3)))
    survey(dataset, WorkingResolution(), lambda done, samples: heard.append((done, samples)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_a_picture_that_is_cut_off_is_found(tmp_path: Path, ending: str) -> None:
    dataset = write_samples(tmp_path, *(striped(90, 90) for _ in range(3)))
    whole = dataset.samples[1].image
    path = whole.with_suffix(f".{ending}")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    samples = list(dataset.samples)
    samples[1] = replace(samples[1], image=path)
    with pytest.raises(SlideError) as caught:
        survey(replace(dataset, samples=tuple(samples)), WorkingResolution())
    assert str(path) in str(caught.value)
    # Of slides nothing but the header is looked at.
    if ending == "png":
        survey(replace(dataset, samples=tuple(samples), sparse=True), WorkingResolution())


def test_no_pixel_of_a_slide_is_read(tmp_path: Path) -> None:
    image = hollow_slide(tmp_path / "slide.png", 12_000, 9_000)
    with open_slide(image) as slide, pytest.raises(DamagedSlideError):
        slide.read_region(0, Box(0, 0, 8, 8))
    labels = draw(
        tmp_path,
        ((1_500, 600, 11_100, 8_400), "tissue"),
        ((3_000, 3_000, 3_060, 3_090), "tumour"),
    )
    (sample,) = survey(drawn_on(image, labels), WorkingResolution()).samples
    assert sample.shape == (12_000, 9_000)
    # Every third pixel along is looked at, and the borders fall on such.
    np.testing.assert_array_equal(sample.pixels, [9_600 * 7_800 - 60 * 90, 60 * 90])
    places = sample.places[1]
    assert len(places) == 20 * 30
    assert places.min(axis=0).tolist() == [3_001, 3_001]
    assert places.max(axis=0).tolist() == [3_058, 3_088]
    rows, columns = sample.places[0].T
    assert ((rows >= 1_500) & (rows < 11_100) & (columns >= 600) & (columns < 8_400)).all()


@pytest.mark.parametrize(
    "shape", [(4_097, 900), (8_200, 500), (30, 9_000), (2, 9_000), (9_000, 1), (4_096, 64)]
)
def test_places_of_large_planes_have_the_labels_that_tiles_will_show(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    """Also where the plane is a sliver that is thinner than what is looked at."""
    image = hollow_slide(tmp_path / "slide.png", *shape)
    height, width = shape
    # Borders between the corners and the centres of pixels: half a pixel more would show.
    labels = draw(
        tmp_path,
        ((0, 0, height, width), "tissue"),
        *(((y + 0.25, 0, y + 3.25, width), "tumour") for y in range(0, height, 37)),
        *(((0, x + 0.25, height, x + 5.25), "tissue") for x in range(0, width, 41)),
    )
    dataset = drawn_on(image, labels)
    (sample,) = survey(dataset, WorkingResolution()).samples
    assert sample.shape == shape
    assert sample.pixels.sum() == pytest.approx(height * width, rel=5e-3)
    with OpenSample(dataset.samples[0], WorkingResolution()) as opened:
        whole = opened.labels(Box(0, 0, *shape))
    for label, places in sample.places.items():
        assert (whole[tuple(places.T)] == label).all()
    assert sample.pixels[1] == pytest.approx((whole == 1).sum(), rel=0.1)


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.04])
def test_one_wrong_value_in_one_pixel_is_found_at_every_resolution(
    tmp_path: Path, scale: float
) -> None:
    wrong = striped(100, 100)
    wrong[57, 31] = 9
    dataset = write_samples(tmp_path, striped(100, 100), wrong)
    with pytest.raises(AnnotationError, match="the value 9") as caught:
        survey(dataset, WorkingResolution(scale=scale))
    assert caught.value.where == dataset.samples[1].labels.path
    assert "\n" not in str(caught.value)


def test_a_class_that_the_map_does_not_know_is_found(tmp_path: Path) -> None:
    image = hollow_slide(tmp_path / "slide.png", 500, 500)
    labels = draw(tmp_path, ((0, 0, 9, 9), "tissue"), ((9, 9, 20, 20), "necrosis"))
    with pytest.raises(AnnotationError, match="'necrosis'"):
        survey(drawn_on(image, labels), WorkingResolution())


def test_labels_of_another_size_are_found(tmp_path: Path) -> None:
    dataset = write_samples(tmp_path, mask())
    Image.fromarray(mask(0, (70, 91))).save(dataset.samples[0].labels.path)
    with pytest.raises(DataSetError, match=r"91×70 pixels, 0\.png has 90×70"):
        survey(dataset, WorkingResolution())


def test_a_missing_picture_and_missing_labels_are_found(tmp_path: Path) -> None:
    dataset = write_samples(tmp_path, mask(), mask())
    dataset.samples[1].image.unlink()
    with pytest.raises(SlideNotFoundError):
        survey(dataset, WorkingResolution())
    dataset.samples[0].labels.path.unlink()
    with pytest.raises(AnnotationError, match="no such file"):
        survey(dataset, WorkingResolution())


def test_nothing_annotated_is_an_error_only_if_it_is_so_everywhere(tmp_path: Path) -> None:
    bare = np.full((20, 20), IGNORED, np.uint8)
    dataset = write_samples(tmp_path, bare, bare)
    with pytest.raises(DataSetError, match="nothing is annotated") as caught:
        survey(dataset, WorkingResolution())
    assert caught.value.where == tmp_path
    found = survey(write_samples(tmp_path, bare, mask()), WorkingResolution())
    assert not found.samples[0].places
    assert found.samples[1].places


class Broken(LabelSource):
    """Labels that do not keep to the classes."""

    def open(self, slide: Slide, plane: WorkingPlane) -> LabelPlane:
        class Plane(LabelPlane):
            def read(self, box: Box) -> Labels:
                return np.full(box.shape, 7, np.uint8)

        return Plane()


def test_a_label_that_is_no_class_is_found(tmp_path: Path) -> None:
    image = hollow_slide(tmp_path / "slide.png", 30, 30)
    with pytest.raises(DataSetError, match="label 7 is none of the 2 classes") as caught:
        survey(drawn_on(image, Broken(tmp_path / "labels")), WorkingResolution())
    assert caught.value.where == tmp_path / "labels"


@pytest.mark.long
def test_shapes_that_are_smaller_than_what_is_counted_are_found(tmp_path: Path) -> None:
    image = hollow_slide(tmp_path / "slide.png", 9_000, 13_000)
    random = np.random.default_rng(0)
    corners = random.integers(100, 8_900, (40, 2)).tolist()
    cells = [((y, x, y + 4, x + 4), "tumour") for y, x in corners]
    hidden = ((50.0, 50.0, 54.0, 54.0), "tumour")
    labels = draw(
        tmp_path,
        ((0, 0, 9_000, 13_000), "tissue"),
        hidden,
        ((40.0, 40.0, 70.0, 70.0), "tissue"),
        *cells,
    )
    dataset = drawn_on(image, labels)
    (sample,) = survey(dataset, WorkingResolution()).samples
    found = {
        (y, x)
        for y, x in corners
        for place in sample.places[1].tolist()
        if y <= place[0] < y + 4 and x <= place[1] < x + 4
    }
    assert len(found) == 40
    assert sample.pixels[1] >= 40
    with OpenSample(dataset.samples[0], WorkingResolution()) as opened:
        for y, x in sample.places[1].tolist():
            assert opened.labels(Box(y, x, 1, 1))[0, 0] == 1

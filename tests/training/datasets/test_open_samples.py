"""Samples opened at one resolution, and how many stay open."""

import multiprocessing
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from array_slide import noise
from labelled import placed, striped, write_samples
from wsiseg.annotations.labels import IGNORED
from wsiseg.annotations.pictures import PictureLabels
from wsiseg.errors import ArgumentError, DataSetError, ResolutionError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides.slide import Slide
from wsiseg.training.datasets.dataset import DataSet, Sample
from wsiseg.training.datasets.open_samples import OpenSample, SampleCache
from wsiseg.training.datasets.working_resolution import WorkingResolution

WHOLE = Box(0, 0, 40, 50)


@pytest.fixture
def pictures(tmp_path: Path) -> DataSet:
    return write_samples(tmp_path, *(striped(40, 50) for _ in range(5)))


@pytest.fixture
def slides(tmp_path: Path) -> DataSet:
    """Return slides and labels of which the file stays open."""
    samples = []
    for number in range(4):
        image, labels = tmp_path / f"{number}.tif", tmp_path / f"{number}-labels.tif"
        options = {"tile": (16, 16), "compression": "deflate"}
        tifffile.imwrite(image, noise(64, 64, number), photometric="rgb", **options)
        tifffile.imwrite(labels, striped(64, 64), **options)
        samples.append(Sample(str(number), image, PictureLabels(labels, {0: 0, 1: 1, 2: 2})))
    return DataSet("slides", (), tuple(samples))


def plane_of(sample: Sample, resolution: WorkingResolution) -> tuple[int, int, float | None]:
    with OpenSample(sample, resolution) as opened:
        return opened.plane.height, opened.plane.width, opened.plane.mpp


@pytest.mark.parametrize(
    ("resolution", "plane"),
    [
        (WorkingResolution(), (40, 50, None)),
        (WorkingResolution(slide_mpp=0.25), (40, 50, 0.25)),
        (WorkingResolution(scale=0.5), (20, 25, None)),
        (WorkingResolution(scale=2.0), (80, 100, None)),
        (WorkingResolution(scale=0.5, slide_mpp=0.25), (20, 25, 0.5)),
        (WorkingResolution(mpp=0.5, slide_mpp=0.25), (20, 25, 0.5)),
        (WorkingResolution(mpp=0.25, slide_mpp=0.25), (40, 50, 0.25)),
        (WorkingResolution(mpp=0.125, slide_mpp=0.25), (80, 100, 0.125)),
    ],
)
def test_the_plane_is_the_one_that_was_asked_for(
    pictures: DataSet, resolution: WorkingResolution, plane: tuple[int, int, float | None]
) -> None:
    assert plane_of(pictures.samples[0], resolution) == plane


def test_a_resolution_and_a_scale_exclude_each_other() -> None:
    with pytest.raises(ArgumentError, match="`mpp` and `scale` exclude each other"):
        WorkingResolution(mpp=0.5, scale=0.5)


def test_hints_name_options_that_there_are(pictures: DataSet) -> None:
    with pytest.raises(ResolutionError, match="`slide_mpp`, or leave `mpp` out") as caught:
        OpenSample(pictures.samples[0], WorkingResolution(mpp=0.5))
    assert "`level`" not in str(caught.value)


@pytest.mark.parametrize(
    "resolution",
    [
        WorkingResolution(mpp=0.5),
        WorkingResolution(scale=0.0),
        WorkingResolution(mpp=0.5, slide_mpp=99.0),
    ],
)
def test_a_resolution_that_makes_no_sense_is_refused(
    pictures: DataSet, resolution: WorkingResolution
) -> None:
    with pytest.raises(ResolutionError):
        OpenSample(pictures.samples[0], resolution)


def test_pixels_and_labels_are_those_of_the_files(pictures: DataSet) -> None:
    with OpenSample(pictures.samples[3], WorkingResolution()) as opened:
        np.testing.assert_array_equal(opened.pixels(WHOLE), placed(40, 50, 3))
        np.testing.assert_array_equal(opened.labels(WHOLE), striped(40, 50))
        part = Box(7, 11, 20, 9)
        np.testing.assert_array_equal(opened.pixels(part), placed(40, 50, 3)[part.slices_in(WHOLE)])
        np.testing.assert_array_equal(opened.labels(part), striped(40, 50)[part.slices_in(WHOLE)])


def test_outside_there_is_glass_and_nothing_annotated(pictures: DataSet) -> None:
    over = Box(-3, 45, 10, 12)
    with OpenSample(pictures.samples[0], WorkingResolution()) as opened:
        pixels, labels = opened.pixels(over), opened.labels(over)
    np.testing.assert_array_equal(pixels[3:, :5], placed(40, 50)[:7, 45:])
    np.testing.assert_array_equal(labels[3:, :5], striped(40, 50)[:7, 45:])
    outside = np.ones(over.shape, bool)
    outside[3:, :5] = False
    assert (pixels[outside] == 255).all()
    assert (labels[outside] == IGNORED).all()


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_labels_lie_under_their_pixels_at_any_scale(tmp_path: Path, scale: float) -> None:
    labels = np.zeros((60, 60), np.uint8)
    labels[20:, 30:] = 1
    dataset = write_samples(tmp_path, labels, classes=2)
    with OpenSample(dataset.samples[0], WorkingResolution(scale=scale)) as opened:
        box = opened.plane.box
        # Away from the edges, where the glass is mixed in.
        inner = (slice(2, -2), slice(2, -2))
        pixels, found = opened.pixels(box)[inner], opened.labels(box)[inner]
    inside = (pixels[..., 0] > 19.5) & (pixels[..., 1] > 29.5)
    np.testing.assert_array_equal(found, inside)


def open_files() -> int:
    return len(psutil.Process().open_files())


def test_a_cache_keeps_what_was_used_last(pictures: DataSet) -> None:
    cache = SampleCache(pictures.samples, WorkingResolution(), capacity=2)
    first, second = cache.get(0), cache.get(1)
    assert cache.get(0) is first
    cache.get(2)
    # The second had been unused for longest.
    assert cache.get(0) is first
    assert cache.get(1) is not second


def test_no_more_files_are_open_than_there_is_room_for(slides: DataSet) -> None:
    before = open_files()
    cache = SampleCache(slides.samples, WorkingResolution(), capacity=2)
    assert open_files() == before
    for index in (0, 1, 2, 3, 1, 0, 2):
        cache.get(index).pixels(Box(0, 0, 16, 16))
        # Of each sample the slide and its labels.
        assert open_files() <= before + 2 * 2
    assert open_files() == before + 2 * 2
    cache.close()
    assert open_files() == before
    np.testing.assert_array_equal(cache.get(1).pixels(Box(0, 0, 64, 64)), noise(64, 64, 1))
    cache.close()


def test_what_falls_off_is_closed(pictures: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    opened = {sample.image: open_slide(sample.image) for sample in pictures.samples}

    def remember(slide: Slide) -> None:
        closed.append(slide.name)

    monkeypatch.setattr(
        "wsiseg.training.datasets.working_resolution.open_slide",
        lambda path, *_, **__: opened[path],
    )
    monkeypatch.setattr(type(opened[pictures.samples[0].image]), "close", remember)
    cache = SampleCache(pictures.samples, WorkingResolution(), capacity=3)
    for index in (0, 1, 2, 0, 3, 4):
        cache.get(index)
    assert closed == ["1", "2"]
    cache.close()
    assert sorted(closed) == ["0", "1", "2", "3", "4"]


def test_a_slide_whose_labels_do_not_fit_is_closed_again(slides: DataSet) -> None:
    odd = Sample("odd", slides.samples[0].image, PictureLabels(slides.samples[1].image, {}))
    tifffile.imwrite(odd.labels.path, striped(64, 65), tile=(16, 16))
    before = open_files()
    with pytest.raises(DataSetError, match="65×64"):
        OpenSample(odd, WorkingResolution())
    assert open_files() == before


def test_a_pickled_cache_arrives_empty_and_opens_its_own(slides: DataSet) -> None:
    cache = SampleCache(slides.samples, WorkingResolution(scale=0.5), capacity=2)
    taken = cache.get(2)
    before = open_files()
    arrived = pickle.loads(pickle.dumps(cache))
    assert open_files() == before
    own = arrived.get(2)
    assert own is not taken
    assert open_files() == before + 2
    box = Box(0, 0, 32, 32)
    np.testing.assert_array_equal(own.pixels(box), taken.pixels(box))
    np.testing.assert_array_equal(own.labels(box), taken.labels(box))
    for index in (0, 1, 3):
        arrived.get(index)
    assert open_files() == before + 4
    for one in (cache, arrived):
        one.close()


@pytest.mark.parametrize("fork", set(multiprocessing.get_all_start_methods()) & {"fork"})
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_opens_its_own(slides: DataSet, fork: str) -> None:
    """Both would move the place in the one file that they share."""
    cache = SampleCache(slides.samples, WorkingResolution())
    taken = cache.get(1)

    def look() -> None:
        own = cache.get(1)
        same = np.array_equal(own.pixels(Box(0, 0, 64, 64)), noise(64, 64, 1))
        sys.exit(0 if own is not taken and own is cache.get(1) and same else 1)

    child = multiprocessing.get_context(fork).Process(target=look)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert cache.get(1) is taken
    np.testing.assert_array_equal(taken.pixels(Box(0, 0, 64, 64)), noise(64, 64, 1))
    cache.close()


def test_the_reader_that_is_named_opens_a_sample(slides: DataSet) -> None:
    for reader in ("tifffile", "openslide"):
        with OpenSample(replace(slides.samples[0], reader=reader), WorkingResolution()) as opened:
            assert opened.slide.reader == reader

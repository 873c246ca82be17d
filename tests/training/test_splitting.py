"""Of one slide whole regions or one end of them are kept back, by area, or nothing is."""

import re

import numpy as np
import pytest
import shapely
import tifffile

from wsiseg.annotations import Annotation, write_qupath
from wsiseg.annotations.labels import IGNORED
from wsiseg.training.datasets.folders import open_slides
from wsiseg.training.datasets.open_samples import OpenSample
from wsiseg.training.datasets.working_resolution import WorkingResolution
from wsiseg.training.splitting import split_slide

HEIGHT, WIDTH = 640, 800
LEVEL_0 = WorkingResolution(mpp=0.5)


def boxes(*places):
    """Return squares of 60 pixels, of two classes in turn."""
    return [
        (("gland", "stroma")[k % 2], shapely.box(x, y, x + 60, y + 60))
        for k, (y, x) in enumerate(places)
    ]


SCATTERED = boxes(*((y, x) for y in range(30, 600, 110) for x in range(30, 700, 110)))
WHOLE = [("gland", shapely.box(100, 100, 500, 350)), ("stroma", shapely.box(100, 350, 500, 500))]
ONE_EACH = [("gland", shapely.box(20, 20, 300, 300)), ("stroma", shapely.box(400, 20, 700, 250))]
DABS = [("gland", shapely.box(20, 20, 40, 40)), ("stroma", shapely.box(100, 20, 120, 40))]
ONE_CLASS_ALONE = [*SCATTERED, ("rare", shapely.box(770, 500, 795, 560))]


@pytest.fixture
def annotated(tmp_path):
    def make(shapes):
        for name in ("slides", "drawn"):
            (tmp_path / name).mkdir()
        tifffile.imwrite(
            tmp_path / "slides" / "one.tiff",
            np.full((HEIGHT, WIDTH, 3), 200, np.uint8),
            tile=(64, 64),
            photometric="rgb",
            resolution=(2e4, 2e4),
            resolutionunit="CENTIMETER",
        )
        drawn = [Annotation(name, shape) for name, shape in shapes]
        write_qupath(tmp_path / "drawn" / "one.geojson", drawn)
        return open_slides(tmp_path / "slides", tmp_path / "drawn")

    return make


def labels_of(dataset, resolution=LEVEL_0):
    (sample,) = dataset.samples
    with OpenSample(sample, resolution) as opened:
        return opened.labels(opened.plane.box)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (SCATTERED, r"\d+ of its 42 annotated regions are"),
        (ONE_CLASS_ALONE, r"\d+ of its 43 annotated regions are"),
        (WHOLE, r"the (left|right) end of its annotated region is"),
        (ONE_EACH, r"the (top|bottom|left|right) end of each annotated region is"),
    ],
)
@pytest.mark.parametrize("resolution", [LEVEL_0, WorkingResolution(mpp=1.0)])
def test_a_share_of_the_area_is_kept_back_and_said(annotated, shapes, words, resolution):
    dataset = annotated(shapes)
    training, validation, note = split_slide(dataset, resolution, 0.2, seed=0)
    whole, kept, left = (labels_of(each, resolution) for each in (dataset, validation, training))
    # Nothing is in both, and what is in either is as it was drawn.
    assert not ((kept != IGNORED) & (left != IGNORED)).any()
    for part in (kept, left):
        np.testing.assert_array_equal(part[part != IGNORED], whole[part != IGNORED])
    share = (kept != IGNORED).sum() / (whole != IGNORED).sum()
    assert 0.1 <= share <= 0.3
    said = rf"one slide only: {words} for validation, {round(100 * share)}% of the anno"
    assert re.search(said, note)
    # Every class is trained on.
    assert set(np.unique(left)) == set(np.unique(whole))
    assert len(np.unique(kept)) >= 3
    if "regions are" in words:
        lost = (whole != IGNORED) & (kept == IGNORED) & (left == IGNORED)
        assert not lost.any()
    assert [s.name for s in (*training.samples, *validation.samples)] == ["one", "one (part)"]


def test_the_seed_decides(annotated):
    dataset = annotated(SCATTERED)
    kept = [labels_of(split_slide(dataset, LEVEL_0, 0.2, seed)[1]) != IGNORED for seed in (0, 0, 1)]
    np.testing.assert_array_equal(kept[0], kept[1])
    assert (kept[0] != kept[2]).any()


@pytest.mark.parametrize("shapes", [DABS, WHOLE[:1]])
def test_where_too_little_is_annotated_nothing_is_kept_back(annotated, shapes):
    assert split_slide(annotated(shapes), LEVEL_0, 0.2, seed=0) is None

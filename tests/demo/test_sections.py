"""The painted sections: tissue with edges as of tissue, on glass, and never the same twice."""

import hashlib

import numpy as np
import pytest
from scipy import ndimage

from wsiseg.demo.sections import TISSUE, paint_sections

GLASS = 225


def tissue_of(pixels):
    return pixels.min(axis=2) < GLASS


@pytest.fixture(scope="module")
def painted():
    return paint_sections(2000, 2400, 0.5, seed=0)


def longest_run(flags):
    """Return the most neighbours in a row of which all are true."""
    padded = np.pad(flags, ((0, 0), (1, 1))).astype(np.int8)
    steps = np.diff(padded, axis=1)
    return int((np.argwhere(steps == -1)[:, 1] - np.argwhere(steps == 1)[:, 1]).max(initial=0))


def test_the_picture_is_the_one_that_its_notice_names():
    notice = TISSUE.with_name("SLIDE.md").read_text(encoding="utf-8")
    content = TISSUE.read_bytes()
    assert hashlib.sha256(content).hexdigest() in notice
    assert f"{len(content):,} bytes" in notice
    assert "CC0 1.0" in notice


@pytest.mark.parametrize("shape", [(300, 400), (700, 900), (900, 700), (400, 2500), (384, 384)])
def test_slides_of_any_size_have_tissue_and_glass(shape):
    pixels = paint_sections(*shape, 0.5, seed=0)
    assert (pixels.shape, pixels.dtype) == ((*shape, 3), np.uint8)
    assert 0.1 < tissue_of(pixels).mean() < 0.7


@pytest.mark.parametrize("shape", [(1, 1), (2, 40), (17, 5), (60, 60)])
def test_nothing_is_too_small(shape):
    assert paint_sections(*shape, 0.5, seed=0).shape == (*shape, 3)


def test_the_sections_lie_apart_and_within_the_glass(painted):
    tissue = tissue_of(painted)
    coarse = tissue.reshape(250, 8, 300, 8).mean((1, 3)) > 0.3
    parts, count = ndimage.label(ndimage.binary_closing(coarse, iterations=3))
    sizes = np.bincount(parts.ravel())[1:]
    assert count >= 2
    assert (sizes > 0.03 * parts.size).sum() >= 2
    for rim in (tissue[:8], tissue[-8:], tissue[:, :8], tissue[:, -8:]):
        assert not rim.any()


def test_no_edge_is_straight(painted):
    # The picture's own dust is left out, and so are holes, which are as round as they were.
    tissue = ndimage.binary_opening(tissue_of(painted), iterations=3)
    assert longest_run(tissue[1:] != tissue[:-1]) < 60
    assert longest_run((tissue[:, 1:] != tissue[:, :-1]).T) < 60


def test_glass_is_nearly_white_and_faintly_noisy(painted):
    far = ndimage.distance_transform_edt(~tissue_of(painted)[::4, ::4]) > 20
    glass = painted[::4, ::4][far].astype(float)
    assert np.abs(glass.mean(0) - (244, 242, 243)).max() < 1
    assert 0.3 < glass.std(0).max() < 1.5


def test_tissue_has_the_colours_of_the_stain(painted):
    red, green, blue = painted[tissue_of(painted)].mean(0)
    assert green < blue - 20 < red


def test_a_seed_gives_one_slide_and_another_seed_another():
    first, again, other = (paint_sections(500, 600, 0.5, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (tissue_of(first) != tissue_of(other)).mean() > 0.1


def test_pixels_twice_as_large_show_the_same_tissue_half_as_large():
    def lengths(mpp):
        # How far tissue goes on along a row is as much of it at any resolution.
        tissue = tissue_of(paint_sections(1200, 1200, mpp, seed=3))
        runs = np.diff(np.flatnonzero(np.diff(tissue.ravel())))
        return float(np.median(runs[runs > 3]))

    assert lengths(0.25) > 1.3 * lengths(0.5)

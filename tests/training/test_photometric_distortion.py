"""Photometric distortion."""

import colorsys

import numpy as np
import pytest

from array_slide import noise
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.training.photometric_distortion import distort

SEEDS = range(800)
GREYS = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)


def distorted(pixels: Pixels) -> list[Pixels]:
    return [distort(pixels, np.random.default_rng(seed)) for seed in SEEDS]


def test_greys_stay_grey_and_a_quarter_of_them_as_they_were() -> None:
    """Neither saturation nor hue changes a grey; brightness and contrast do, half of the time."""
    after = distorted(GREYS)
    assert all((one == one[..., :1]).all() for one in after)
    left = sum(np.array_equal(one, GREYS) for one in after)
    # Four standard deviations of a binomial distribution.
    assert abs(left - len(SEEDS) / 4) < 4 * np.sqrt(len(SEEDS) * 3 / 16)


def test_brightness_and_contrast_stay_in_their_ranges() -> None:
    ramps = [one[..., 0].ravel().astype(int) for one in distorted(GREYS)]
    # A line of slope 0.5 to 1.5 that begins up to 32 levels off, or 1.5 times as much.
    slopes = np.array([(ramp[90] - ramp[70]) / 20 for ramp in ramps])
    assert 0.5 - 0.05 <= slopes.min() < 0.55
    assert 1.45 < slopes.max() <= 1.5 + 0.05
    # Of contrasts that are 1 to a twentieth, up to another four levels.
    plain = [ramp for ramp, slope in zip(ramps, slopes, strict=True) if slope == 1]
    shifts = {ramp[128] - 128 for ramp in plain}
    assert -36 <= min(shifts) <= -28
    assert 28 <= max(shifts) <= 36


def test_colours_turn_and_fade_no_further_than_they_may() -> None:
    before = np.full((2, 2, 3), (180, 90, 60), np.uint8)
    hue, saturation, _ = colorsys.rgb_to_hsv(*(before[0, 0] / 255))
    found = np.array([colorsys.rgb_to_hsv(*(one[0, 0] / 255)) for one in distorted(before)])
    unclipped = found[:, 2] < 0.95
    turns = (found[unclipped, 0] - hue + 0.5) % 1 - 0.5
    assert np.abs(turns).max() < 0.1 + 0.02
    assert turns.max() > 0.08
    assert turns.min() < -0.08
    still = np.mean(np.abs(turns) < 0.004)
    assert 0.4 < still < 0.65
    assert found[unclipped, 1].min() / saturation < 0.55


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_numbers_distort_alike_and_leave_the_tile_alone(seed: int) -> None:
    pixels = noise(8, 9)
    before = pixels.copy()
    first, second = (distort(pixels, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(pixels, before)
    assert (first.shape, first.dtype) == (pixels.shape, np.uint8)

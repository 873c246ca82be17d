"""Stain normalisation on tissue whose stains are known."""

import pickle
from typing import get_args

import numpy as np
import pytest

from array_slide import ArraySlide
from wsiseg.errors import StainError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.colour import METHODS, RecolouredSlide, StainMethod, StainStep, estimate_stains
from wsiseg.tiling.colour.density import density, rgb_from_density
from wsiseg.tiling.colour.reinhard import reinhard
from wsiseg.tiling.colour.stain_separation import Stains, macenko, vahadane

PALE = Stains(((0.65, 0.70, 0.29), (0.07, 0.99, 0.11)), (1.2, 0.8))
STRONG = Stains(((0.56, 0.72, 0.41), (0.22, 0.80, 0.56)), (2.0, 1.0))


def stain_tissue(stains, seed=0, count=40_000):
    """Return pixels of nuclei, of stroma, of both and of glass, and how much of either stain."""
    random = np.random.default_rng(seed)
    kinds = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.5], [0.0, 0.0]])[np.arange(count) % 4]
    amounts = kinds * random.uniform(0.35, 1.0, (count, 2)) * stains.strengths
    colours = np.array(stains.colours)
    colours /= np.linalg.norm(colours, axis=1, keepdims=True)
    return rgb_from_density(amounts @ colours), amounts


def as_slide(pixels, edge=200):
    return ArraySlide(pixels.reshape(-1, edge, 3), mpp=None)


def angles(found, wanted):
    """Return the degrees between stains and what they should be."""
    wanted = np.array(wanted.colours)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    return np.degrees(np.arccos(np.clip((np.array(found.colours) * wanted).sum(1), -1, 1)))


@pytest.mark.parametrize("find", [macenko, vahadane])
@pytest.mark.parametrize("stains", [PALE, STRONG])
def test_the_stains_of_a_slide_are_found(find, stains):
    pixels, amounts = stain_tissue(stains)
    stained = density(pixels)[amounts.sum(1) > 0]
    found = find(stained)
    assert angles(found, stains).max() < 5
    np.testing.assert_allclose(
        found.strengths, np.percentile(amounts[amounts.sum(1) > 0], 99, axis=0), rtol=0.08
    )


@pytest.mark.parametrize("method", ["macenko", "vahadane"])
def test_a_slide_looks_as_if_it_had_the_stains_of_the_reference(method):
    pixels, _ = stain_tissue(PALE, seed=1)
    wanted, _ = stain_tissue(STRONG, seed=1)
    here, there = (estimate_stains(as_slide(each), method) for each in (pixels, wanted))
    found = StainStep(method, here, there).change(pixels)
    before = np.abs(pixels.astype(int) - wanted).mean()
    after = np.abs(found.astype(int) - wanted).mean()
    assert after < before / 5
    # Glass stays glass.
    glass = (pixels == 255).all(1)
    assert glass.mean() > 0.2
    assert (found[glass] == 255).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_slide_that_is_its_own_reference_stays_as_it_is(method):
    pixels, _ = stain_tissue(STRONG, seed=2)
    look = estimate_stains(as_slide(pixels), method)
    found = StainStep(method, look, look).change(pixels)
    assert np.abs(found.astype(int) - pixels).mean() < 3


def test_reinhard_gives_mean_and_spread_of_the_reference():
    pixels, _ = stain_tissue(PALE, seed=3)
    pixels = pixels[pixels.min(1) < 190]
    target, _ = stain_tissue(STRONG, seed=4)
    there = reinhard(target[target.min(1) < 190])
    found = reinhard(StainStep("reinhard", reinhard(pixels), there).change(pixels))
    np.testing.assert_allclose(found.mean, there.mean, atol=0.03)
    np.testing.assert_allclose(found.deviation, there.deviation, rtol=0.15)


def test_reinhard_leaves_glass_alone():
    glass = np.full((1, 3), 242, np.uint8)
    pixels, _ = stain_tissue(PALE, seed=3)
    step = StainStep(
        "reinhard", reinhard(pixels[pixels.min(1) < 200]), METHODS["reinhard"].reference
    )
    np.testing.assert_array_equal(step.change(glass), glass)


@pytest.mark.parametrize("method", METHODS)
def test_a_place_has_its_colours_whatever_is_read_with_it(method):
    pixels, _ = stain_tissue(PALE, seed=5)
    slide = as_slide(pixels)
    step = StainStep(method, estimate_stains(slide, method), METHODS[method].reference)
    recoloured = RecolouredSlide(slide, (step,))
    whole = recoloured.read_region(0, slide.levels[0].box)
    part = Box(13, 27, 50, 90)
    np.testing.assert_array_equal(
        recoloured.read_region(0, part), whole[part.slices_in(slide.levels[0].box)]
    )
    assert (whole != pixels.reshape(whole.shape)).any()
    again = pickle.loads(pickle.dumps(step))
    np.testing.assert_array_equal(again(pixels.reshape(whole.shape)), whole)


@pytest.mark.parametrize("method", METHODS)
def test_glass_alone_tells_nothing_of_stains(method):
    glass = ArraySlide(np.full((300, 300, 3), 240, np.uint8))
    with pytest.raises(StainError, match="too few to measure"):
        estimate_stains(glass, method)


def test_a_method_that_is_named_is_there():
    assert set(METHODS) == set(get_args(StainMethod))


def test_grey_is_not_two_stains():
    grey = np.random.default_rng(0).integers(40, 180, (200, 200, 1), np.uint8)
    with pytest.raises(StainError, match="one colour"):
        estimate_stains(ArraySlide(grey.repeat(3, -1), mpp=None), "macenko")

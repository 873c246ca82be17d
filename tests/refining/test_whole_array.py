"""Strip by strip the same as on the whole array, however the rows are cut up."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.morphology import remove_small_holes

import whole_array
from repetitions import repetitions
from stored_masks import draw_cells
from wsiseg.refining import absorbing
from wsiseg.refining.absorbing import absorb_small_areas
from wsiseg.refining.holes import Holes, fill_holes
from wsiseg.refining.smoothing import smooth
from wsiseg.refining.spooling import spool


@st.composite
def masks(draw, largest=20):
    """Specks, blocks and blots of up to four classes, with a little that was not analysed."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    height, width = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    classes, unseen = draw(st.integers(1, 4)), draw(st.sampled_from([0, 0.03, 0.4]))
    mask = rng.integers(0, classes, (height, width)).astype(np.uint8)
    mask[rng.random(mask.shape) < unseen] = 255
    form = draw(st.sampled_from(["specks", "blocks", "blots"]))
    if form == "blocks":
        mask = np.kron(mask, np.ones((2, 3), np.uint8))
    return ndimage.median_filter(mask, 3) if form == "blots" else mask


@st.composite
def strips(draw, kinds=None):
    """Return a mask, and what gives its rows in strips of any heights."""
    mask = draw(masks() if kinds is None else kinds)
    cuts = draw(st.lists(st.integers(0, len(mask)), max_size=8))
    parts = [part for part in np.split(mask, sorted(cuts)) if len(part)]
    return mask, lambda: iter(parts)


limits = st.integers(1, 25)


@settings(max_examples=repetitions(60, 2000))
@given(strips(), limits, st.sampled_from([1, 2, 3, absorbing.DEEPEST]))
def test_small_areas(cut, pixels, deepest):
    mask, rows = cut
    with mock.patch.object(absorbing, "DEEPEST", deepest):
        found = np.concatenate(list(absorb_small_areas(rows, pixels)))
    np.testing.assert_array_equal(found, whole_array.absorb(mask, pixels, deepest))


@settings(max_examples=repetitions(60, 2000))
@given(strips(), limits)
def test_no_small_area_is_left_beside_a_large_one(cut, pixels):
    mask, rows = cut
    # Specks in a row may lie deeper than areas are followed.
    with mock.patch.object(absorbing, "DEEPEST", mask.size):
        found = np.concatenate(list(absorb_small_areas(rows, pixels)))
        again = np.concatenate(list(absorb_small_areas(lambda: iter([found]), pixels)))
    np.testing.assert_array_equal(again, found)
    np.testing.assert_array_equal(found == 255, mask == 255)
    numbers, count = whole_array.areas(found)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    islands, _ = ndimage.label(mask != 255)
    for number in np.flatnonzero(sizes < pixels):
        if number:
            (island,) = np.unique(islands[numbers == number])
            assert (sizes[np.unique(numbers[islands == island])] < pixels).all()


@settings(max_examples=repetitions(60, 2000))
@given(strips(), limits, st.integers(0, 3))
def test_holes_of_a_class(cut, pixels, label):
    mask, rows = cut
    for inside in (frozenset(range(label)), frozenset(range(255)) - {label}):
        found = np.concatenate(list(fill_holes(rows, [Holes(label, inside, pixels)])))
        wanted = whole_array.fill_holes(mask, label, inside, pixels)
        np.testing.assert_array_equal(found, wanted)


@settings(max_examples=repetitions(60, 2000))
@given(strips(), limits)
def test_holes_of_all_classes_are_those_of_one_after_the_other(cut, pixels):
    mask, rows = cut
    holes = [Holes(label, frozenset(range(label)), pixels) for label in (1, 2, 3)]
    found = np.concatenate(list(fill_holes(rows, holes)))
    for each in holes:
        mask = whole_array.fill_holes(mask, each.label, each.inside, pixels)
    np.testing.assert_array_equal(found, mask)


@settings(max_examples=repetitions(60, 2000))
@given(strips(), st.floats(0, 6))
def test_smoothing(cut, radius):
    mask, rows = cut
    found = np.concatenate(list(smooth(rows, int(radius**2))))
    np.testing.assert_array_equal(found, whole_array.smooth(mask, radius))


def test_smoothing_of_more_than_a_block():
    mask = draw_cells(600, 700)
    parts = np.split(mask, [1, 300, 310, 599])
    found = np.concatenate(list(smooth(lambda: iter(parts), 49)))
    np.testing.assert_array_equal(found, whole_array.smooth(mask, 7))


def test_holes_of_the_highest_class_are_those_of_scikit_image():
    mask = draw_cells(700, 500)
    noise = ndimage.gaussian_filter(np.random.default_rng(1).random(mask.shape), 2)
    mask = np.where(noise < 0.49, mask % 2, 2).astype(np.uint8)
    framed = np.pad(mask, 1, constant_values=2)
    parts = np.array_split(framed, 9)
    found = np.concatenate(
        list(fill_holes(lambda: iter(parts), [Holes(2, frozenset([0, 1]), 400)]))
    )
    inner = remove_small_holes(framed == 2, max_size=399, connectivity=1)
    # It fills what touches the edge, too, which is all of one class here.
    np.testing.assert_array_equal(found == 2, inner)
    assert (found != framed).sum() > 100


@pytest.mark.parametrize("height", [1, 5, 50])
def test_small_areas_in_small_areas_take_what_is_outside_down_to_a_depth(height):
    """A row of dots, from a large area into what was not analysed, which later rows tell."""
    column = np.array([0, 1, 2] * 10, np.uint8)
    mask = np.full((50, 20), 255, np.uint8)
    mask[:30, 7] = column
    mask[30:, :] = 3
    parts = [mask[top : top + height] for top in range(0, 50, height)]
    found = np.concatenate(list(absorb_small_areas(lambda: iter(parts), 2)))
    np.testing.assert_array_equal(found[:14, 7], column[:14])
    assert (found[14:30, 7] == 3).all()


@pytest.mark.parametrize("height", [1, 2, 97])
def test_an_area_far_longer_than_wide_is_one(height):
    """A snake through all strips, of which the last row tells whether it is small."""
    mask = np.zeros((200, 61), np.uint8)
    for column in range(1, 60, 4):
        mask[1:199, column] = 1
    mask[198, 1:59] = 1
    mask[0, 0] = 2
    parts = [mask[top : top + height] for top in range(0, 200, height)]
    size = int((mask == 1).sum())
    for pixels, left in ((size, size), (size + 1, 0)):
        found = np.concatenate(list(absorb_small_areas(lambda: iter(parts), pixels)))
        assert (found == 1).sum() == left
    assert found[0, 0] == 0


def test_rows_wait_only_for_areas_that_are_small():
    """What is decided is given on, although the slide goes on."""
    mask = np.zeros((400, 50), np.uint8)
    mask[:, 20:] = 1
    mask[100:104, 5] = 2
    read = []

    def rows():
        return (read.append(None) or part for part in list(mask.reshape(40, 10, 50)))

    given_on = [(len(read), strip) for strip in absorb_small_areas(rows, 60)]
    # Each strip is read twice: ahead, and when it is given on.
    ahead = [count - 2 * (number + 1) for number, (count, _) in enumerate(given_on)]
    assert max(ahead) <= 8
    assert not (np.concatenate([strip for _, strip in given_on]) == 2).any()


def test_rows_between_steps_are_read_again_as_they_were(tmp_path):
    mask = draw_cells(90, 70)
    with spool(np.array_split(mask, 7), tmp_path) as rows:
        for one, other in zip(rows(), rows(), strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(np.concatenate(list(rows())), mask)
    assert list(tmp_path.iterdir()) == []

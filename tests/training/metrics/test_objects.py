import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wsiseg.errors import DataSetError
from wsiseg.training.metrics import ObjectScore, label_objects

labels = st.sampled_from([0, 0, 1, 2, 3, 7])


@st.composite
def pictures(draw):
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    return tuple(draw(arrays.arrays(np.int32, shape, elements=labels)) for _ in range(2))


def score_of(*pairs):
    score = ObjectScore()
    for truth, predicted in pairs:
        score.add(np.atleast_2d(np.int32(truth)), np.atleast_2d(np.int32(predicted)))
    return score


def pixels_of(picture):
    return {
        label: {tuple(at) for at in np.argwhere(picture == label)}
        for label in np.unique(picture).tolist()
        if label
    }


def most_overlapping(thing, others):
    best = max(others, key=lambda label: (len(thing & others[label]), -label), default=None)
    return best if best is not None and thing & others[best] else None


def slow_f1(pairs):
    """Detection as the challenge's paper words it, over all objects of all pictures."""
    hits = false = missed = 0
    for truth, predicted in (map(pixels_of, pair) for pair in pairs):
        met = set()
        for thing in predicted.values():
            partner = most_overlapping(thing, truth)
            if partner is not None and len(thing & truth[partner]) / len(truth[partner]) >= 0.5:
                hits += 1
                met.add(partner)
            else:
                false += 1
        missed += len(truth) - len(met)
    if not hits:
        return 0.0 if false + missed else float("nan")
    precision, recall = hits / (hits + false), hits / (hits + missed)
    return 2 * precision * recall / (precision + recall)


def slow_half(pairs):
    """One sum of the object-level Dice index: of pairs of things to weigh and their partners."""
    area = sum(len(thing) for things, _ in pairs for thing in things.values())
    total = 0.0
    for things, others in pairs:
        for thing in things.values():
            partner = others.get(most_overlapping(thing, others), set())
            dice = 2 * len(thing & partner) / (len(thing) + len(partner))
            total += len(thing) / area * dice
    return total


def slow_dice(pairs):
    things = [tuple(map(pixels_of, pair)) for pair in pairs]
    if not any(truth or predicted for truth, predicted in things):
        return float("nan")
    return (slow_half(things) + slow_half([pair[::-1] for pair in things])) / 2


def test_a_small_case_by_hand():
    truth = np.int32([[1, 1, 1, 1, 0, 2, 2, 0, 3, 0]])
    found = np.int32([[5, 5, 5, 0, 0, 6, 0, 8, 0, 9]])
    score = score_of((truth, found))
    # 5 covers three of four pixels; 6 one of two, which is just enough; 8 and 9 meet nothing.
    assert (score.true_positives, score.false_positives, score.false_negatives) == (2, 2, 1)
    precision, recall = 2 / 4, 2 / 3
    assert score.f1 == pytest.approx(2 * precision * recall / (precision + recall))
    of_found = (3 * 6 / 7 + 1 * 2 / 3) / 6
    of_truth = (4 * 6 / 7 + 2 * 2 / 3) / 7
    assert score.dice == pytest.approx((of_found + of_truth) / 2)


@pytest.mark.parametrize(("covered", "f1"), [(4, 0), (5, 1), (6, 1)])
def test_an_object_counts_from_half_of_its_counterpart_on(covered, f1):
    truth, found = np.zeros((2, 3, 20), np.int32)
    truth[1, :10] = 1
    found[1, :covered] = 1
    assert score_of((truth, found)).f1 == f1


def test_the_counterpart_is_the_object_overlapped_most_even_if_another_is_covered_whole():
    truth = [1] * 20 + [2] * 3
    found = [0] * 15 + [4] * 5 + [4] * 3
    score = score_of((truth, found))
    assert (score.true_positives, score.false_positives, score.false_negatives) == (0, 1, 2)
    # Object 2 is scored against 4 all the same.
    assert score.dice == pytest.approx((2 * 5 / 28 + (20 * 2 * 5 / 28 + 3 * 2 * 3 / 11) / 23) / 2)


def test_a_merger_hits_one_object_and_misses_the_other():
    score = score_of(([1] * 6 + [0] + [2] * 5, [1] * 12))
    assert (score.true_positives, score.false_positives, score.false_negatives) == (1, 0, 1)


def test_two_halves_hit_one_object():
    score = score_of(([1] * 6, [1] * 3 + [2] * 3))
    assert (score.true_positives, score.false_positives, score.false_negatives) == (2, 0, 0)
    assert score.dice == pytest.approx(2 * 3 / 9)


@given(st.lists(pictures(), min_size=1, max_size=3))
def test_scores_follow_the_paper_over_all_objects_of_all_pictures(pairs):
    score = score_of(*pairs)
    assert score.f1 == pytest.approx(slow_f1(pairs), nan_ok=True)
    assert score.dice == pytest.approx(slow_dice(pairs), nan_ok=True)


@given(pictures())
def test_a_perfect_prediction_has_ones_under_any_numbers(pair):
    truth, _ = pair
    if not truth.any():
        return
    numbers = np.zeros(8, np.int32)
    numbers[[1, 2, 3, 7]] = [40, 2_000_000_000, 5, 1]
    score = score_of((truth, numbers[truth]))
    assert score.f1 == 1
    assert score.dice == pytest.approx(1)


@given(pictures())
def test_dice_does_not_care_which_side_is_true(pair):
    assert score_of(pair).dice == pytest.approx(score_of(pair[::-1]).dice, nan_ok=True)


@given(pictures())
def test_a_picture_without_objects_changes_nothing(pair):
    empty = np.zeros((3, 3), np.int32)
    one, two = score_of(pair), score_of(pair, (empty, empty))
    assert one.f1 == pytest.approx(two.f1, nan_ok=True)
    assert one.dice == pytest.approx(two.dice, nan_ok=True)


def test_the_set_is_scored_as_one_not_picture_by_picture():
    large, small = np.ones((10, 10), np.int32), np.ones((1, 2), np.int32)
    score = score_of((large, large), (small, np.zeros_like(small)))
    assert score.f1 == pytest.approx(2 / 3)
    assert score.dice == pytest.approx((1 + 100 / 102) / 2)


def test_nothing_at_all_and_nothing_in_common():
    empty, full = np.zeros((4, 4), np.int32), np.ones((4, 4), np.int32)
    assert np.isnan([score_of((empty, empty)).f1, score_of((empty, empty)).dice]).all()
    for pair in [(empty, full), (full, empty)]:
        assert score_of(pair).f1 == score_of(pair).dice == 0


def test_labels_that_are_no_objects():
    with pytest.raises(DataSetError, match="negative"):
        score_of(([0, -1], [0, 1]))
    with pytest.raises(DataSetError, match="shape"):
        score_of(([0, 1], [0, 1, 1]))


def test_objects_touch_at_corners_and_small_ones_are_dropped():
    mask = np.array(
        [
            [1, 0, 0, 0, 1, 1],
            [0, 1, 0, 0, 0, 0],
            [0, 0, 1, 0, 0, 1],
        ],
        bool,
    )
    every = label_objects(mask)
    assert every.dtype == np.int32
    assert every.tolist() == [[1, 0, 0, 0, 2, 2], [0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 3]]
    np.testing.assert_array_equal(label_objects(mask, smallest=1), every)
    assert label_objects(mask, smallest=2).max() == 2
    assert label_objects(mask, smallest=3).tolist() == np.diag([1, 1, 1, 0, 0, 0])[:3].tolist()
    assert not label_objects(mask, smallest=4).any()


@given(arrays.arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))), st.integers(0, 5))
def test_kept_objects_have_gapless_numbers_and_enough_pixels(mask, smallest):
    objects = label_objects(mask, smallest)
    assert not objects[~mask].any()
    areas = np.bincount(objects.ravel())[1:]
    assert (areas >= max(1, smallest)).all()
    if smallest <= 1:
        np.testing.assert_array_equal(objects > 0, mask)

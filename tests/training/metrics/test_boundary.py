import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.training.metrics import BoundaryScore

CLASSES = 3
labels = st.sampled_from([0, 1, 2, 255])
tolerances = st.sampled_from([0.0, 1.0, 2**0.5, 2.0, 5**0.5])


@st.composite
def pairs(draw):
    shape = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    return tuple(draw(arrays.arrays(np.uint8, shape, elements=labels)) for _ in range(2))


def score_of(*pictures, classes=CLASSES, tolerance=None):
    score = BoundaryScore(classes, tolerance)
    for truth, predicted in pictures:
        score.add(truth, predicted)
    return score


def slow_border(picture, truth, label):
    height, width = picture.shape
    border = []
    for y, x in np.argwhere(picture == label):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        inside = [(j, i) for j, i in around if 0 <= j < height and 0 <= i < width]
        others = [at for at in inside if truth[at] != 255 and picture[at] != label]
        if truth[y, x] != 255 and others:
            border.append((y, x))
    return border


def slow_share(points, goals, tolerance):
    near = [
        any((y - j) ** 2 + (x - i) ** 2 <= tolerance**2 + 1e-9 for j, i in goals) for y, x in points
    ]
    return sum(near) / len(near)


def slow_f(truth, predicted, label, tolerance):
    wanted, found = slow_border(truth, truth, label), slow_border(predicted, truth, label)
    if not wanted:
        return float("nan")
    if not found:
        return 0.0
    precision = slow_share(found, wanted, tolerance)
    recall = slow_share(wanted, found, tolerance)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def square(top, left, edge=20, shape=(100, 100)):
    picture = np.zeros(shape, np.uint8)
    picture[top : top + edge, left : left + edge] = 1
    return picture


@given(pairs(), tolerances)
def test_scores_follow_the_definition(pair, tolerance):
    expected = [slow_f(*pair, label, tolerance) for label in range(CLASSES)]
    score = score_of(pair, tolerance=tolerance)
    np.testing.assert_allclose(score.per_class, expected)
    known = [f for f in expected if not np.isnan(f)]
    assert score.mean == pytest.approx(np.mean(known) if known else np.nan, nan_ok=True)


@pytest.mark.parametrize(("tolerance", "expected"), [(2.99, 0), (3, 1), (3.5, 1)])
def test_a_straight_border_matches_up_to_its_shift(tolerance, expected):
    truth, predicted = np.zeros((2, 40, 50), np.uint8)
    truth[:, 20:] = 1
    predicted[:, 23:] = 1
    assert (
        score_of((truth, predicted), tolerance=tolerance).per_class[:2].tolist() == [expected] * 2
    )


def test_a_shifted_square_by_hand():
    # Rings of 76 pixels, one column apart, share all but one pixel of their upper and lower edges
    # and nothing else.
    score = score_of((square(10, 10), square(10, 11)), tolerance=0)
    common = 2 * 19
    assert score.per_class[1] == pytest.approx(common / 76)
    assert score_of((square(10, 10), square(10, 11)), tolerance=1).per_class[1] == 1


def test_precision_and_recall_are_balanced_harmonically():
    truth = square(10, 10)
    predicted = truth | square(60, 60)
    # Recall 1, and half of what was predicted is right.
    score = score_of((truth, predicted), tolerance=2)
    assert score.per_class[1] == pytest.approx(2 * 1 * 0.5 / 1.5)


@pytest.mark.parametrize("shape", [(20, 30), (100, 100), (600, 800), (1000, 1000)])
def test_the_usual_tolerance_is_a_share_of_the_diagonal_and_at_least_a_pixel(shape):
    reach = int(max(1, 0.0075 * np.hypot(*shape)))
    truth, near, far = np.zeros((3, *shape), np.uint8)
    truth[:, 8:] = near[:, 8 + reach :] = far[:, 8 + reach + 1 :] = 1
    assert score_of((truth, near)).mean == 1
    assert score_of((truth, far)).mean == 0


def test_classes_are_averaged_over_the_pictures_that_show_them():
    right = (square(10, 10), square(10, 10))
    wrong = (square(10, 10), square(50, 50))
    third = np.zeros((100, 100), np.uint8)
    third[40:] = 2
    score = score_of(right, wrong, (third, third), tolerance=1)
    # The background shares one border with each square; in the third picture with class 2.
    np.testing.assert_allclose(score.per_class, [(1 + 0 + 1) / 3, (1 + 0) / 2, 1])
    assert score.mean == pytest.approx((1 + 0 + 1) / 3)


def test_pictures_weigh_the_same_in_the_mean_whatever_classes_they_show():
    both = np.zeros((60, 60), np.uint8)
    both[20:40], both[40:] = 1, 2
    found = both.copy()
    found[40:] = 1
    one = np.zeros((60, 60), np.uint8)
    one[30:] = 1
    score = score_of((both, found), (one, one), tolerance=1)
    # Picture one: class 0 is right, class 1 has one of two borders, class 2 none.
    picture = (1 + 2 * 1 * 0.5 / 1.5 + 0) / 3
    assert score.mean == pytest.approx((picture + 1) / 2)
    np.testing.assert_allclose(score.per_class, [1, (2 / 3 + 1) / 2, 0])


def test_without_any_border_there_is_no_score():
    plain = np.ones((30, 30), np.uint8)
    score = score_of((plain, plain))
    assert np.isnan(score.per_class).all()
    assert np.isnan(score.mean)
    assert score_of((plain, plain), (square(5, 5), square(5, 5))).mean == 1


def test_a_class_that_is_missed_or_invented_in_a_picture_has_nothing_right_there():
    plain = np.zeros((100, 100), np.uint8)
    missed, invented, right = (
        (square(10, 10), plain),
        (plain, square(10, 10)),
        (square(10, 10),) * 2,
    )
    np.testing.assert_array_equal(score_of(missed).per_class, [0, 0, np.nan])
    np.testing.assert_array_equal(score_of(invented, right).per_class, [0.5, 0.5, np.nan])
    assert score_of(invented, right).mean == 0.5


def test_a_class_without_any_true_border_has_no_score():
    """Shapes that touch nothing annotated: where they end nobody said."""
    sparse = np.full((100, 100), 255, np.uint8)
    sparse[10:40, 10:40] = 1
    sparse[60:90, 60:90] = 0
    torn = np.zeros((100, 100), np.uint8)
    torn[10:25, 10:40] = 1
    assert np.isnan(score_of((sparse, torn)).per_class).all()
    assert np.isnan(score_of((sparse, torn)).mean)
    # Nor does it lower the mean over the classes that have borders.
    halves = np.full((100, 100), 255, np.uint8)
    halves[:20, :20], halves[20:40, :20], halves[60:, 60:] = 0, 2, 1
    found = np.where(halves == 255, 0, halves).astype(np.uint8)
    found[80:, 60:] = 0
    score = score_of((halves, found))
    assert np.isnan(score.per_class[1])
    assert score.per_class[2] == 1
    assert score.mean == pytest.approx((score.per_class[0] + 1) / 2)


def test_other_classes_than_the_known_ones_still_end_a_class():
    truth = square(10, 10)
    predicted = np.where(truth == 1, 1, 255).astype(np.uint8)
    np.testing.assert_array_equal(score_of((truth, predicted)).per_class[:2], [0, 1])


def test_a_rim_of_ignored_pixels_is_no_border():
    truth = square(10, 10)
    truth[9:31, 9:31] = np.where(truth[9:31, 9:31] == 1, 1, 255)
    assert np.isnan(score_of((truth, square(10, 10))).mean)
    assert np.isnan(score_of((truth, square(11, 11, edge=18)), tolerance=1).per_class[1])


@given(pairs(), tolerances)
def test_a_perfect_prediction_has_ones(pair, tolerance):
    truth, _ = pair
    scores = score_of((truth, truth), tolerance=tolerance).per_class
    assert set(scores[~np.isnan(scores)]) <= {1.0}


@given(pairs(), tolerances)
def test_either_side_may_be_true(pair, tolerance):
    truth, predicted = (picture % 3 for picture in pair)
    there = score_of((truth, predicted), tolerance=tolerance).per_class
    back = score_of((predicted, truth), tolerance=tolerance).per_class
    # What only one side has borders of can be scored against that side alone.
    known = ~np.isnan(there) & ~np.isnan(back)
    np.testing.assert_allclose(there[known], back[known])
    assert not np.nan_to_num(there[np.isnan(back)]).any()


@given(pairs(), st.data())
def test_what_is_predicted_for_ignored_pixels_never_matters(pair, data):
    truth, predicted = pair
    other = data.draw(arrays.arrays(np.uint8, truth.shape, elements=labels))
    changed = np.where(truth == 255, other, predicted)
    np.testing.assert_array_equal(
        score_of((truth, changed)).per_class, score_of((truth, predicted)).per_class
    )


@given(pairs(), tolerances, tolerances)
def test_more_tolerance_never_lowers_a_score(pair, one, other):
    strict = score_of(pair, tolerance=min(one, other)).per_class
    lax = score_of(pair, tolerance=max(one, other)).per_class
    assert (np.nan_to_num(lax) >= np.nan_to_num(strict) - 1e-12).all()


def test_what_cannot_be_scored():
    with pytest.raises(ArgumentError, match="from 1 to 255"):
        BoundaryScore(0)
    for tolerance in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match="tolerance"):
            BoundaryScore(2, tolerance)
    with pytest.raises(DataSetError, match="hold 3"):
        score_of((np.full((4, 4), 3, np.uint8), np.zeros((4, 4), np.uint8)))

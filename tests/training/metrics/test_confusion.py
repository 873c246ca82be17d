import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.class_sets import CITYSCAPES
from wsiseg.training.metrics import ConfusionMatrix

CLASSES = 4
truths = st.sampled_from([*range(CLASSES), 255])
predictions = st.sampled_from([*range(CLASSES), CLASSES, 255])


@st.composite
def pairs(draw, predicted=predictions):
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    return (
        draw(arrays.arrays(np.uint8, shape, elements=truths)),
        draw(arrays.arrays(np.uint8, shape, elements=predicted)),
    )


def matrix_of(*pictures, classes=CLASSES):
    matrix = ConfusionMatrix(classes)
    for truth, predicted in pictures:
        matrix.add(np.atleast_2d(np.uint8(truth)), np.atleast_2d(np.uint8(predicted)))
    return matrix


def slow_counts(truth, predicted):
    counts = np.zeros((CLASSES, CLASSES + 1), int)
    for t, p in zip(truth.flat, predicted.flat, strict=True):
        if t != 255:
            counts[t, min(p, CLASSES)] += 1
    return counts


def slow_iou(truth, predicted, label):
    where = {i for i, t in enumerate(truth.flat) if t != 255}
    true = {i for i in where if truth.flat[i] == label}
    found = {i for i in where if predicted.flat[i] == label}
    return len(true & found) / len(true | found) if true | found else float("nan")


def test_a_small_case_by_hand():
    matrix = matrix_of(
        ([0, 0, 0, 0, 1, 1, 1, 255, 255], [0, 0, 0, 1, 1, 2, 7, 0, 3]), classes=CLASSES
    )
    assert matrix.counts.dtype == np.int64
    assert matrix.counts.tolist() == [
        [3, 1, 0, 0, 0],
        [0, 1, 1, 0, 1],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    assert matrix.pixels == 7
    assert matrix.truth_pixels.tolist() == [4, 3, 0, 0]
    assert matrix.predicted_pixels.tolist() == [3, 2, 1, 0]
    np.testing.assert_allclose(matrix.iou, [3 / 4, 1 / 4, 0, np.nan])
    np.testing.assert_allclose(matrix.dice, [6 / 7, 2 / 5, 0, np.nan])
    np.testing.assert_allclose(matrix.class_precision, [1, 1 / 2, 0, np.nan])
    assert matrix.mean_class_precision == pytest.approx((1 + 1 / 2 + 0) / 3)
    np.testing.assert_allclose(matrix.class_recall, [3 / 4, 1 / 3, np.nan, np.nan])
    assert matrix.mean_iou == pytest.approx((3 / 4 + 1 / 4 + 0) / 3)
    assert matrix.mean_dice == pytest.approx((6 / 7 + 2 / 5 + 0) / 3)
    assert matrix.pixel_accuracy == pytest.approx(4 / 7)
    assert matrix.mean_class_recall == pytest.approx((3 / 4 + 1 / 3) / 2)
    assert matrix.frequency_weighted_iou == pytest.approx(4 / 7 * 3 / 4 + 3 / 7 * 1 / 4)


def test_nothing_counted_has_no_score():
    empty = matrix_of(([255], [0]))
    assert empty.pixels == 0
    for score in (
        empty.mean_iou,
        empty.mean_dice,
        empty.pixel_accuracy,
        empty.mean_class_recall,
        empty.frequency_weighted_iou,
    ):
        assert np.isnan(score)


@given(pairs())
def test_counts_and_iou_follow_the_definition(pair):
    matrix = matrix_of(pair)
    np.testing.assert_array_equal(matrix.counts, slow_counts(*pair))
    np.testing.assert_allclose(matrix.iou, [slow_iou(*pair, label) for label in range(CLASSES)])
    # The two indices are one function of each other.
    np.testing.assert_allclose(matrix.dice, 2 * matrix.iou / (1 + matrix.iou))


@given(pairs(predicted=st.integers(0, CLASSES - 1)))
def test_torchmetrics_agrees(pair):
    truth, predicted = (torch.from_numpy(labels.astype(np.int64)) for labels in pair)
    settings = {"num_classes": CLASSES, "ignore_index": 255}
    matrix = matrix_of(pair)
    theirs = MulticlassConfusionMatrix(**settings)(predicted, truth).numpy()
    np.testing.assert_array_equal(matrix.counts, np.pad(theirs, ((0, 0), (0, 1))))
    iou = MulticlassJaccardIndex(average="none", **settings)(predicted, truth).numpy()
    np.testing.assert_allclose(np.nan_to_num(matrix.iou), iou, rtol=1e-6)
    if matrix.pixels:
        mean = MulticlassJaccardIndex(average="macro", **settings)(predicted, truth)
        assert matrix.mean_iou == pytest.approx(float(mean), rel=1e-6)


@given(st.lists(pairs(), min_size=1, max_size=4))
def test_pictures_add_up_in_any_order_and_by_either_way(pictures):
    whole = matrix_of(*pictures)
    np.testing.assert_array_equal(matrix_of(*reversed(pictures)).counts, whole.counts)
    strip = [np.concatenate([p[i].ravel() for p in pictures]) for i in (0, 1)]
    np.testing.assert_array_equal(matrix_of(strip).counts, whole.counts)
    first, rest = matrix_of(pictures[0]), matrix_of(*pictures[1:])
    before = first.counts.copy()
    np.testing.assert_array_equal((first + rest).counts, whole.counts)
    np.testing.assert_array_equal(first.counts, before)
    first.merge(rest)
    np.testing.assert_array_equal(first.counts, whole.counts)


def test_one_matrix_over_all_pixels_is_no_mean_of_pictures():
    easy, hard = ([0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1]), ([0, 1], [1, 0])
    matrix = matrix_of(easy, hard, classes=2)
    np.testing.assert_allclose(matrix.iou, [5 / 7, 1 / 3])
    assert matrix.mean_iou != pytest.approx((1 + 0) / 2)


@given(pairs())
def test_a_perfect_prediction_has_ones(pair):
    truth, _ = pair
    matrix = matrix_of((truth, truth))
    if not matrix.pixels:
        return
    assert matrix.mean_iou == matrix.mean_dice == matrix.pixel_accuracy == 1
    assert matrix.mean_class_recall == matrix.frequency_weighted_iou == 1
    present = np.isin(np.arange(CLASSES), truth)
    np.testing.assert_array_equal(np.isnan(matrix.iou), ~present)


@given(pairs(predicted=st.integers(0, CLASSES - 1)))
def test_overlaps_do_not_care_which_side_is_true(pair):
    truth, predicted = pair
    truth = truth % CLASSES
    there, back = matrix_of((truth, predicted)), matrix_of((predicted, truth))
    np.testing.assert_array_equal(there.counts[:, :-1], back.counts[:, :-1].T)
    np.testing.assert_allclose(there.iou, back.iou)
    np.testing.assert_allclose(there.dice, back.dice)


@given(pairs(), st.data())
def test_what_is_predicted_for_ignored_pixels_never_matters(pair, data):
    truth, predicted = pair
    other = data.draw(arrays.arrays(np.uint8, truth.shape, elements=predictions))
    changed = np.where(truth == 255, other, predicted)
    np.testing.assert_array_equal(
        matrix_of((truth, changed)).counts, matrix_of((truth, predicted)).counts
    )


def test_255_classes_fit():
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    matrix = matrix_of((labels, labels), classes=255)
    assert matrix.pixels == matrix.hits.sum() == 255


def test_groups_forgive_confusion_within_and_keep_it_across():
    # 0 and 1 are one category, 2 another, 3 none.
    truth = [0, 0, 1, 2, 2, 2, 3, 3]
    found = [1, 2, 1, 2, 3, 9, 0, 3]
    merged = matrix_of((truth, found)).grouped([0, 0, 1, None])
    assert merged.counts.tolist() == [[2, 1, 0], [0, 1, 2]]
    np.testing.assert_allclose(merged.iou, [2 / 3, 1 / 4])


@given(pairs(), st.permutations([0, 0, 1, None]))
def test_groups_equal_relabelled_pictures(pair, groups):
    new_truth = np.array([255 if g is None else g for g in groups] + [0] * 251 + [255], np.uint8)
    new_found = np.array([2 if g is None else g for g in groups] + [2] * 252, np.uint8)
    truth, predicted = pair
    expected = matrix_of((new_truth[truth], new_found[predicted]), classes=2)
    np.testing.assert_array_equal(matrix_of(pair).grouped(groups).counts, expected.counts)


def test_the_seven_categories_of_cityscapes():
    sizes = {"flat": 2, "construction": 3, "object": 3, "nature": 2, "sky": 1, "human": 2}
    sizes["vehicle"] = 6
    groups = [group for group, size in enumerate(sizes.values()) for _ in range(size)]
    names = [label.name for label in CITYSCAPES]
    car, truck, person = (names.index(name) for name in ("car", "truck", "person"))
    merged = matrix_of(
        ([car, car, truck, person], [truck, person, truck, person]), classes=19
    ).grouped(groups)
    assert merged.classes == 7
    np.testing.assert_allclose(merged.iou[5:], [1 / 2, 2 / 3])
    assert merged.mean_iou == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize("groups", [[0, 0], [None] * CLASSES, [0, -1, 0, 0]])
def test_groups_that_make_no_sense(groups):
    with pytest.raises(ArgumentError, match="category"):
        ConfusionMatrix(CLASSES).grouped(groups)


@pytest.mark.parametrize("classes", [0, -1, 256])
def test_numbers_of_classes_out_of_range(classes):
    with pytest.raises(ArgumentError, match="from 1 to 255"):
        ConfusionMatrix(classes)


@pytest.mark.parametrize("label", [CLASSES, 254])
def test_truth_outside_the_classes_is_refused_and_changes_nothing(label):
    matrix = ConfusionMatrix(CLASSES)
    with pytest.raises(ValueError, match=f"hold {label}, but there are {CLASSES} classes"):
        matrix.add(np.array([[0, label]], np.uint8), np.zeros((1, 2), np.uint8))
    assert matrix.pixels == 0


def test_labels_of_other_sizes_and_types_are_refused():
    matrix = ConfusionMatrix(CLASSES)
    with pytest.raises(DataSetError, match=r"\(2, 3\).*\(3, 2\)"):
        matrix.add(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))
    with pytest.raises(ArgumentError, match="uint8"):
        matrix.add(np.zeros((2, 3), np.uint8), np.full((2, 3), -1))
    with pytest.raises(ArgumentError, match="cannot be merged"):
        matrix.merge(ConfusionMatrix(CLASSES + 1))

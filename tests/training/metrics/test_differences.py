"""Differences of scores, and their intervals."""

import itertools
import json

import numpy as np
import pytest

from wsiseg.training.metrics import describe_difference

NAMES = ("ground", "gland")


def unit(hits, truth, predicted):
    return [hits, truth, predicted]


FIRST = np.array(
    [
        unit([80, 5], [90, 10], [85, 15]),
        unit([10, 60], [30, 70], [20, 80]),
        unit([300, 20], [330, 70], [350, 50]),
    ]
)
SECOND = np.array(
    [
        unit([85, 8], [90, 10], [87, 13]),
        unit([15, 40], [30, 70], [45, 55]),
        unit([310, 50], [330, 70], [330, 70]),
    ]
)


def dice(counts, index):
    hits, truth, predicted = counts.sum(0)[:, index]
    return 2 * hits / (truth + predicted)


def iou(counts, index):
    hits, truth, predicted = counts.sum(0)[:, index]
    return hits / (truth + predicted - hits)


@pytest.mark.parametrize(("key", "formula"), [("dice", dice), ("iou", iou)])
def test_scores_follow_from_sums_over_what_is_drawn_for_both_alike(key, formula):
    """Of three units there are 27 drawings: each of the outermost is likelier than 2.5 %."""
    found = describe_difference(FIRST, SECOND, NAMES)
    drawings = [list(drawn) for drawn in itertools.product(range(3), repeat=3)]
    means = []
    for index, name in enumerate(NAMES):
        entry = found[f"class_{key}"][name]
        assert entry["value"] == pytest.approx(formula(SECOND, index) - formula(FIRST, index))
        gaps = [formula(SECOND[d], index) - formula(FIRST[d], index) for d in drawings]
        means.append(gaps)
        assert (entry["low"], entry["high"]) == pytest.approx((min(gaps), max(gaps)))
    mean = found["miou" if key == "iou" else "mean_dice"]
    gaps = np.mean(means, axis=0)
    assert (mean["low"], mean["high"]) == pytest.approx((gaps.min(), gaps.max()))


def test_the_interval_is_that_of_a_normal_mean_where_units_are_many_and_alike():
    random = np.random.default_rng(5)
    size, units = 10_000, 400
    hits = random.normal([[7000], [7400]], 600, (2, units)).round().astype(int)
    counts = np.stack([hits, np.full_like(hits, size), np.full_like(hits, size)], axis=2)
    found = describe_difference(*counts[..., None], ["gland"])["class_dice"]["gland"]
    gaps = (hits[1] - hits[0]) / size
    spread = 1.96 * gaps.std() / np.sqrt(units)
    assert found["value"] == pytest.approx(gaps.mean())
    assert found["low"] == pytest.approx(gaps.mean() - spread, abs=0.1 * spread)
    assert found["high"] == pytest.approx(gaps.mean() + spread, abs=0.1 * spread)


def test_a_checkpoint_does_not_differ_from_itself():
    found = describe_difference(FIRST, FIRST, NAMES)
    assert found["miou"] == found["class_dice"]["gland"] == {"value": 0, "low": 0, "high": 0}


def test_what_cannot_be_told_is_none_and_json_holds_it():
    first, second = FIRST.copy(), SECOND.copy()
    one = describe_difference(first[:1], second[:1], NAMES)
    assert one["mean_dice"]["value"] is not None
    assert one["mean_dice"]["low"] is one["mean_dice"]["high"] is None
    none = describe_difference(first[:0], second[:0], NAMES)
    assert none["miou"] == {"value": None, "low": None, "high": None}
    # The class is on one unit only, or nowhere and predicted by the second only.
    first[1:, :, 1] = second[1:, :, 1] = 0
    rare = describe_difference(first, second, NAMES)
    assert rare["class_iou"]["gland"]["value"] == pytest.approx(8 / 15 - 5 / 20)
    assert rare["class_iou"]["gland"]["low"] is None
    assert rare["miou"]["low"] < rare["miou"]["high"]
    first[:, :, 1] = second[:, :, 1] = 0
    second[0, 2, 1] = 3
    absent = describe_difference(first, second, NAMES)
    assert absent["class_dice"]["gland"] == {"value": None, "low": None, "high": None}
    for found in (one, none, rare, absent):
        json.dumps(found, allow_nan=False)

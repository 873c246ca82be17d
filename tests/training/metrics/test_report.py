import csv
import io
import json

import numpy as np
import pytest

from wsiseg.errors import ArgumentError
from wsiseg.training.metrics import (
    BoundaryScore,
    ConfusionMatrix,
    ObjectScore,
    describe_picture,
    describe_scores,
    pictures_to_csv,
    scores_to_csv,
)

NAMES = ("stroma", "gland", "lumen", "blood")
TRUTH = np.array([[0, 0, 0, 0, 1, 1, 1, 255]], np.uint8)
FOUND = np.array([[0, 0, 0, 1, 1, 2, 9, 0]], np.uint8)


@pytest.fixture
def matrix():
    matrix = ConfusionMatrix(4)
    matrix.add(TRUTH, FOUND)
    return matrix


@pytest.fixture
def boundary():
    boundary = BoundaryScore(4, tolerance=1)
    boundary.add(TRUTH, FOUND)
    return boundary


def test_the_document_has_the_promised_shape(matrix):
    scores = describe_scores(matrix, NAMES)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert scores == {
        "pixels": 7,
        "miou": pytest.approx((3 / 4 + 1 / 4 + 0) / 3),
        "pixel_accuracy": pytest.approx(4 / 7),
        "mean_dice": pytest.approx((6 / 7 + 2 / 5) / 3),
        "class_iou": {"stroma": 0.75, "gland": 0.25, "lumen": 0, "blood": None},
        "class_dice": {
            "stroma": pytest.approx(6 / 7),
            "gland": 0.4,
            "lumen": 0,
            "blood": None,
        },
        "class_precision": {"stroma": 1, "gland": 0.5, "lumen": 0, "blood": None},
        "mean_class_precision": 0.5,
        "class_recall": {
            "stroma": 0.75,
            "gland": pytest.approx(1 / 3),
            "lumen": None,
            "blood": None,
        },
        "mean_class_recall": pytest.approx((3 / 4 + 1 / 3) / 2),
        "frequency_weighted_iou": pytest.approx((4 * 3 / 4 + 3 * 1 / 4) / 7),
        "confusion": [[3, 1, 0, 0, 0], [0, 1, 1, 0, 1], [0] * 5, [0] * 5],
    }


def test_categories_boundaries_and_objects_come_on_demand(matrix, boundary):
    objects = ObjectScore()
    objects.add(np.int32([[1, 1, 0, 2]]), np.int32([[1, 1, 0, 0]]))
    categories = {"lumen": "epithelium", "gland": "epithelium", "stroma": "stroma"}
    scores = describe_scores(matrix, NAMES, categories, boundary, objects)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert list(scores["category_iou"]) == ["stroma", "epithelium"]
    assert scores["category_iou"] == {"stroma": 0.75, "epithelium": 0.5}
    assert scores["category_miou"] == 0.625
    # What there is of true borders is met to a pixel; lumen has none.
    assert scores["boundary_f"] == {"stroma": 1, "gland": 1, "lumen": None, "blood": None}
    assert scores["mean_boundary_f"] == 1
    assert scores["object_f1"] == pytest.approx(2 / 3)
    assert scores["object_dice"] == pytest.approx((1 + 2 / 3) / 2)


def test_what_cannot_be_told_is_null():
    scores = describe_scores(
        ConfusionMatrix(2), ["a", "b"], {"a": "x"}, BoundaryScore(2), ObjectScore()
    )
    assert scores["confusion"] == [[0, 0, 0], [0, 0, 0]]
    assert scores["category_iou"] == {"x": None}
    for key in ("miou", "pixel_accuracy", "category_miou", "mean_boundary_f", "object_f1"):
        assert scores[key] is None
    assert "NaN" not in json.dumps(scores)


def test_the_table_has_a_row_per_class_and_the_means(matrix, boundary):
    scores = describe_scores(matrix, NAMES, boundary=boundary)
    # As good from a file as from memory.
    text = scores_to_csv(json.loads(json.dumps(scores)))
    assert text.splitlines() == [
        "class,iou,dice,precision,recall,boundary_f,truth_pixels,predicted_pixels",
        "stroma,0.750000,0.857143,1.000000,0.750000,1.000000,4,3",
        "gland,0.250000,0.400000,0.500000,0.333333,1.000000,3,2",
        "lumen,0.000000,0.000000,0.000000,,,0,1",
        "blood,,,,,,0,0",
        "mean,0.333333,0.419048,0.500000,0.541667,1.000000,,",
    ]


def test_the_table_leaves_out_what_was_not_computed_and_quotes_names(matrix):
    names = ['say "cheese"', "a,b", "c", "d"]
    rows = list(csv.DictReader(io.StringIO(scores_to_csv(describe_scores(matrix, names)))))
    assert [r["class"] for r in rows] == [*names, "mean"]
    assert {r["boundary_f"] for r in rows} == {""}
    assert float(rows[-1]["iou"]) == pytest.approx(matrix.mean_iou, abs=1e-6)


@pytest.mark.parametrize("names", [NAMES[:3], ("a", "a", "b", "c")])
def test_names_must_fit_and_differ(matrix, names):
    with pytest.raises(ArgumentError, match="4 classes need as many different names"):
        describe_scores(matrix, names)


def test_categories_and_boundaries_must_be_of_these_classes(matrix):
    with pytest.raises(ArgumentError, match="nerve"):
        describe_scores(matrix, NAMES, {"nerve": "other"})
    with pytest.raises(ArgumentError, match="5 and 4"):
        describe_scores(matrix, NAMES, boundary=BoundaryScore(5))


def test_pictures_stand_with_the_worst_first(matrix):
    good, empty = ConfusionMatrix(4), ConfusionMatrix(4)
    good.add(np.uint8([[0, 1]]), np.uint8([[0, 1]]))
    pictures = [
        describe_picture(name, each, NAMES)
        for name, each in (("good", good), ("empty", empty), ("bad", matrix))
    ]
    assert json.loads(json.dumps(pictures, allow_nan=False)) == pictures
    assert pictures[1]["miou"] is None
    assert pictures_to_csv(pictures).splitlines() == [
        "picture,pixels,miou,mean_dice,pixel_accuracy,iou stroma,iou gland,iou lumen,iou blood",
        "bad,7,0.333333,0.419048,0.571429,0.750000,0.250000,0.000000,",
        "good,2,1.000000,1.000000,1.000000,1.000000,1.000000,,",
        "empty,0,,,,,,,",
    ]

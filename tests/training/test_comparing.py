"""Several checkpoints on the same samples."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

import wsiseg
from pictures import CLASS_MAP, NAMES, draw, open_pictures, write_annotated_slide, write_pictures
from tiny import label_whole, named_checkpoint
from trainings import RecordingListener
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.class_sets import CITYSCAPES, VOID
from wsiseg.training import DataOptions, EvaluateOptions, open_data, score, score_each
from wsiseg.training.datasets.public import LAYOUTS
from wsiseg.training.metrics import ConfusionMatrix

SHARED = ("miou", "mean_dice", "class_iou", "class_dice")


def test_every_checkpoint_is_scored_as_it_is_alone_and_the_first_is_the_reference(tmp_path):
    dataset = open_pictures(write_pictures(tmp_path, 3))
    checkpoints = [named_checkpoint(NAMES, seed=seed) for seed in (1, 2, 3)]
    alone = [score(each, dataset) for each in checkpoints]
    together = score_each(checkpoints, "abc", dataset)
    assert {key: together[key] for key in alone[0]} == alone[0]
    assert (together["checkpoint"], together["interval"]["units"]) == ("a", "3 pictures")
    assert together["interval"]["remark"] == "the interval is rough with fewer than 10 pictures"
    assert [each["checkpoint"] for each in together["compared"]] == ["b", "c"]
    for entry, wanted in zip(together["compared"], alone[1:], strict=True):
        assert {key: entry[key] for key in SHARED} == {key: wanted[key] for key in SHARED}
        for key in ("miou", "mean_dice"):
            found = entry["difference"][key]
            assert found["value"] == pytest.approx(wanted[key] - alone[0][key])
            assert found["low"] <= found["value"] <= found["high"]


def test_the_interval_spans_what_the_pictures_give(tmp_path):
    """Two pictures: each of the four drawings is likelier than what the interval leaves out."""
    dataset = open_pictures(write_pictures(tmp_path, 2))
    checkpoints = [named_checkpoint(NAMES, seed=seed) for seed in (1, 2)]
    gaps = []
    for drawn in ((0, 0), (0, 1), (1, 1)):
        dice = []
        for checkpoint in checkpoints:
            matrix = ConfusionMatrix(3)
            for number in drawn:
                pixels, truth = draw(64, 64, number)
                matrix.add(truth, label_whole(checkpoint, torch.from_numpy(pixels)).numpy())
            dice.append(matrix.dice[1])
        gaps.append(dice[1] - dice[0])
    entry = score_each(checkpoints, "ab", dataset)["compared"][0]
    found = entry["difference"]["class_dice"]["round"]
    assert (found["low"], found["high"]) == pytest.approx((min(gaps), max(gaps)))


def test_checkpoints_of_other_classes_are_compared_by_what_the_labels_know(tmp_path):
    dataset = open_pictures(write_pictures(tmp_path, 3), class_map="0=rest,7=round,9=rest")
    before = named_checkpoint(NAMES, seed=3)
    after = named_checkpoint(("rest", "round"), seed=4)
    found = score_each([before, after], ["before", "after"], dataset)
    assert found["scored_as"] == {"rest": ["ground", "long"]}
    (entry,) = found["compared"]
    assert entry["scored_as"] == {}
    assert list(entry["class_dice"]) == ["rest", "round"]
    assert entry["class_dice"] == score(after, dataset)["class_dice"]


def write_fields(folder):
    """Annotate five fields of a slide in QuPath, each all over."""
    pixels, truth = draw(2400, 2400, 1)
    labels = np.full_like(truth, 255)
    for y, x in ((40, 90), (100, 1700), (1000, 900), (1900, 100), (1800, 1900)):
        field = slice(y, y + 200), slice(x, x + 300)
        labels[field] = truth[field]
        labels[y : y + 100, x : x + 50] = 1
    return write_annotated_slide(folder, pixels, labels)


def test_five_fields_on_one_slide_give_an_interval_at_any_resolution(tmp_path):
    dataset = open_data(write_fields(tmp_path))
    listener = RecordingListener()
    checkpoints = [named_checkpoint(NAMES, mpp, seed=2) for mpp in (1.0, 2.3)]
    options = EvaluateOptions(boundary=False, runtime="torch")
    found = score_each(checkpoints, "ab", dataset, options, listener)
    assert found["interval"]["units"] == "5 annotated fields"
    gap = found["compared"][0]["difference"]["mean_dice"]
    assert gap["low"] < gap["value"] < gap["high"]
    assert found["pixels"] == pytest.approx(5 * 100 * 150, rel=0.01)
    assert "the resolutions differ (1 µm/px, 2.3 µm/px); `mpp` sets one for all" in listener.notes


def test_one_picture_gives_no_interval_and_that_is_said(tmp_path):
    dataset = open_pictures(write_pictures(tmp_path, 1))
    found = score_each([named_checkpoint(NAMES), named_checkpoint(NAMES, seed=2)], "ab", dataset)
    assert found["interval"]["remark"] == "there is no interval with fewer than 2 pictures"
    gap = found["compared"][0]["difference"]["class_iou"]["round"]
    assert (gap["low"], gap["high"]) == (None, None)
    json.dumps(found, allow_nan=False)


def test_what_cannot_be_compared_is_refused_before_anything_is_scored(tmp_path):
    mapillary = LAYOUTS["mapillary"]
    root = tmp_path / "validation"
    for kind, values in (("images", np.zeros((8, 8, 3))), ("v1.2/labels", np.zeros((8, 8)))):
        (root / kind).mkdir(parents=True)
        Image.fromarray(values.astype(np.uint8)).save(
            root / kind / f"a.{'jpg' if kind == 'images' else 'png'}"
        )
    streets = open_data(DataOptions(dataset="mapillary", root=tmp_path, split="val"))
    by_class = named_checkpoint([c.name for c in mapillary.classes])
    by_category = named_checkpoint([c.name for c in (*CITYSCAPES, VOID)])
    with pytest.raises(DataSetError, match=r"a is scored by \d+ classes of .*, b by 7"):
        score_each([by_class, by_category], "ab", streets)
    dataset = open_pictures(write_pictures(tmp_path, 1))
    with pytest.raises(DataSetError, match="does not know ground, round"):
        score_each([named_checkpoint(NAMES), named_checkpoint(("x", "long"))], "ab", dataset)
    with pytest.raises(ArgumentError, match="needs two checkpoints"):
        score_each([named_checkpoint(NAMES)], "a", dataset)


def test_from_python_files_are_named_and_results_written(tmp_path):
    images, labels = write_pictures(tmp_path, 2)
    data = DataOptions(images=images, labels=labels, class_map=CLASS_MAP)
    before = named_checkpoint(NAMES)
    out = tmp_path / "scores"
    found = wsiseg.compare(data, [before, named_checkpoint(NAMES, seed=2)], out, tile=64)
    assert json.loads((out / "scores.json").read_text()) == found
    written = json.loads((out / "comparison.json").read_text())
    assert written["compared"] == found["compared"]
    assert written["reference"]["class_dice"] == found["class_dice"]
    with (out / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == [*NAMES, "mean"] * 2
    assert rows[0]["dice_difference"] == ""
    gap = found["compared"][0]["difference"]["miou"]
    assert float(rows[-1]["iou_low"]) == pytest.approx(gap["low"], abs=1e-6)
    assert (out / "confusion.png").exists()

"""Scores of a checkpoint on pictures and slides, against a slow computation of the same."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.measure import label

import wsiseg
from pictures import CLASS_MAP, NAMES, draw, open_pictures, write_annotated_slide, write_pictures
from tiny import Tiny, label_whole, named_checkpoint
from trainings import RecordingListener
from wsiseg.errors import AnnotationError, ArgumentError, DataSetError
from wsiseg.models.class_sets import CAMVID, CITYSCAPES, VOID
from wsiseg.models.importing import import_checkpoint
from wsiseg.training import (
    DataOptions,
    EvaluateOptions,
    TrainOptions,
    open_data,
    write_scores,
)
from wsiseg.training.evaluating import score
from wsiseg.training.metrics import ConfusionMatrix


def confusion_of(checkpoint, pairs, classes=3):
    matrix = ConfusionMatrix(classes)
    for pixels, truth in pairs:
        matrix.add(truth, label_whole(checkpoint, torch.from_numpy(pixels)).numpy())
    return matrix


def test_pictures_of_any_size_are_scored_pixel_by_pixel(tmp_path):
    folders = write_pictures(tmp_path, 2, (64, 64))
    write_pictures(tmp_path / "odd", 1, (37, 51), seed=9)
    for kind in ("images", "labels"):
        (tmp_path / "odd" / kind / "p0.png").rename(tmp_path / kind / "odd.png")
    checkpoint = named_checkpoint(NAMES)
    scores = score(checkpoint, open_pictures(folders))
    pairs = [draw(37, 51, 9), draw(64, 64, 0), draw(64, 64, 1)]
    wanted = confusion_of(checkpoint, pairs)
    assert scores["confusion"] == wanted.counts.tolist()
    assert scores["miou"] == pytest.approx(wanted.mean_iou)
    assert (scores["images"], scores["pixels"]) == (3, 2 * 64 * 64 + 37 * 51)
    assert list(scores["class_iou"]) == list(NAMES)
    assert 0 <= scores["mean_boundary_f"] <= 1


@pytest.mark.parametrize("blend", ["crop", "gaussian"])
def test_tiles_do_not_change_what_is_scored(blend, tmp_path):
    folders = write_pictures(tmp_path, 1, (150, 170))
    checkpoint = named_checkpoint(NAMES)
    small = EvaluateOptions(tile=48, halo=8, blend=blend)
    tiled, whole = (score(checkpoint, open_pictures(folders), o) for o in (small, None))
    if blend == "crop":
        assert tiled["confusion"] == whole["confusion"]
    assert tiled["pixels"] == whole["pixels"] == 150 * 170


def test_what_is_averaged_over_orientations_is_scored(tmp_path):
    _, truth = draw(64, 64, 0)
    data = open_pictures(write_pictures(tmp_path, 1, (64, 64)))
    checkpoint = named_checkpoint(NAMES)
    scores = score(checkpoint, data, EvaluateOptions(tta=True))
    assert scores["settings"]["tta"]
    options = {"level": 0, "tissue": "none", "runtime": "torch", "tta": True}
    found = wsiseg.segment(next((tmp_path / "images").iterdir()), checkpoint, tmp_path, **options)
    matrix = ConfusionMatrix(3)
    matrix.add(truth, np.asarray(found.labels[:]))
    assert scores["confusion"] == matrix.counts.tolist()
    assert scores["confusion"] != score(checkpoint, data)["confusion"]


def test_ignored_pixels_do_not_count(tmp_path):
    folders = write_pictures(tmp_path, 1)
    checkpoint = named_checkpoint(("ground", "long"))
    scores = score(checkpoint, open_pictures(folders, class_map="0=ground,7=ignore,9=long"))
    _, truth = draw(64, 64, 0)
    assert scores["pixels"] == int((truth != 1).sum())


def test_whole_slides_are_scored_through_the_streaming_path(tmp_path):
    pixels, labels = draw(300, 420, 3)
    data = write_annotated_slide(tmp_path, pixels, labels)
    checkpoint = named_checkpoint(NAMES, mpp=0.5)
    tiled = EvaluateOptions(tile=96, halo=8)
    scores = score(checkpoint, open_data(data), tiled)
    assert scores["confusion"] == confusion_of(checkpoint, [(pixels, labels)]).counts.tolist()


def test_only_annotated_tiles_of_a_slide_go_through_the_network(tmp_path, monkeypatch):
    pixels, labels = draw(400, 400, 3)
    labels[60:] = 255
    labels[:, 60:] = 255
    data = write_annotated_slide(tmp_path, pixels, labels)
    ran = []
    forward = Tiny.dense

    def counted(self, x):
        ran.append(tuple(x.shape))
        return forward(self, x)

    checkpoint = named_checkpoint(NAMES, mpp=0.5)
    options = EvaluateOptions(tile=96, halo=8, runtime="torch")
    score(checkpoint, open_data(data), options)
    monkeypatch.setattr(Tiny, "dense", counted)
    scores = score(checkpoint, open_data(data), options)
    assert scores["pixels"] == 60 * 60
    # The memory and reach of the network are measured too, on other shapes.
    assert len([shape for shape in ran if shape[-2:] == (96, 96)]) <= 2


def test_an_extra_class_of_the_checkpoint_is_an_error_where_it_is_predicted(tmp_path):
    folders = write_pictures(tmp_path, 1)
    pixels, truth = draw(64, 64, 0)
    names = (*NAMES, "void", "else")
    checkpoint = named_checkpoint(names, seed=3)
    found = label_whole(checkpoint, torch.from_numpy(pixels)).numpy()
    scores = score(checkpoint, open_pictures(folders))
    assert sum(row[-1] for row in scores["confusion"]) == int((found >= 3).sum())
    assert scores["pixels"] == truth.size


def test_classes_in_another_order_are_matched_by_name(tmp_path):
    folders = write_pictures(tmp_path, 1)
    checkpoint = named_checkpoint(NAMES)
    scores = score(checkpoint, open_pictures(folders, class_map="9=long,0=ground,7=round"))
    wanted = confusion_of(checkpoint, [draw(64, 64, 0)])
    assert scores["class_iou"]["long"] == pytest.approx(wanted.iou[2])
    assert scores["class_iou"]["ground"] == pytest.approx(wanted.iou[0])


def test_an_unknown_class_is_one_line(tmp_path):
    folders = write_pictures(tmp_path, 1)
    with pytest.raises(DataSetError, match="does not know lumen, fat"):
        score(named_checkpoint(NAMES), open_pictures(folders, class_map="0=ground,7=lumen,9=fat"))


def test_a_name_that_the_checkpoint_does_not_know_stands_for_all_that_the_labels_do_not_name(
    tmp_path,
):
    folders = write_pictures(tmp_path, 2)
    checkpoint = named_checkpoint((*NAMES, "void"), seed=3)
    listener = RecordingListener()
    dataset = open_pictures(folders, class_map="0=else,7=round,9=else")
    scores = score(checkpoint, dataset, None, listener)
    matrix = ConfusionMatrix(2)
    for pixels, truth in (draw(64, 64, number) for number in range(2)):
        found = label_whole(checkpoint, torch.from_numpy(pixels)).numpy()
        matrix.add((truth == 1).astype(np.uint8), (found == 1).astype(np.uint8))
    assert scores["confusion"] == matrix.counts.tolist()
    assert scores["scored_as"] == {"else": ["ground", "long", "void"]}
    assert listener.notes == ["else is scored as ground or long or void"]


def test_what_is_predicted_besides_the_labels_classes_spoils_no_other_class(tmp_path):
    """Masks of `ground` and `round` in which `long` lies on what is called ground."""
    folders = write_pictures(tmp_path, 2)
    checkpoint = named_checkpoint(NAMES, seed=3)
    listener = RecordingListener()
    scores = score(
        checkpoint, open_pictures(folders, class_map="0=ground,7=round,9=ground"), None, listener
    )
    hits = wanted = besides = 0
    for pixels, truth in (draw(64, 64, number) for number in range(2)):
        found = label_whole(checkpoint, torch.from_numpy(pixels)).numpy()
        hits += 2 * int(((truth == 1) & (found == 1)).sum())
        wanted += int((truth == 1).sum() + (found == 1).sum())
        besides += int((found == 2).sum())
    assert scores["class_dice"]["round"] == pytest.approx(hits / wanted)
    assert scores["scored_as"] == {}
    (note,) = listener.notes
    assert note.startswith(f"{100 * besides / 8192:.3g} % of the pixels")
    assert "the checkpoint knows long besides" in note


def test_streets_of_one_set_are_scored_on_another_by_category(data, tmp_path):
    root = tmp_path / "vistas" / "validation"
    source = data / "natural" / "mmseg" / "pseudo_mapillary_dataset"
    for kind, folder in (("images", "images"), ("labels", "v1.2")):
        (root / kind).mkdir(parents=True)
        for file in (source / folder).iterdir():
            (root / kind / file.name).write_bytes(file.read_bytes())
    names = [c.name for c in (*CITYSCAPES, VOID)]
    dataset = open_data(DataOptions(dataset="mapillary", root=root.parent, split="val"))
    scores = score(named_checkpoint(names), dataset)
    assert set(scores["class_iou"]) == {
        "flat",
        "construction",
        "object",
        "nature",
        "sky",
        "human",
        "vehicle",
    }
    assert scores["images"] == 1


def test_objects_are_scored_against_numbered_masks(tmp_path):
    images, labels = write_pictures(tmp_path, 1)
    numbered = tmp_path / "numbered"
    numbered.mkdir()
    checkpoint = named_checkpoint(("rest", "thing"), seed=4)
    pixels, _ = draw(64, 64, 0)
    found = label_whole(checkpoint, torch.from_numpy(pixels)).numpy()
    objects = label(found == 1, connectivity=2).astype(np.uint16)
    Image.fromarray(objects).save(numbered / "p0.png")
    dataset = open_pictures(
        (images, labels), class_map="0=rest,7=thing,9=thing", instances=numbered
    )
    scores = score(checkpoint, dataset)
    assert (scores["object_f1"], scores["object_dice"]) == (1.0, 1.0)


def test_numbered_masks_of_another_size_are_refused(tmp_path):
    images, labels = write_pictures(tmp_path, 1)
    numbered = tmp_path / "numbered"
    numbered.mkdir()
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(numbered / "p0.png")
    dataset = open_pictures(
        (images, labels), class_map="0=rest,7=thing,9=thing", instances=numbered
    )
    with pytest.raises(DataSetError, match=r"20×20 pixels, p0\.png has 64×64"):
        score(named_checkpoint(("rest", "thing")), dataset)


def test_which_class_is_made_of_objects_has_to_be_said(tmp_path):
    images, labels = write_pictures(tmp_path, 1)
    dataset = open_pictures((images, labels), instances=labels)
    with pytest.raises(ArgumentError, match=r"`objects`.*ground, round, long"):
        score(named_checkpoint(NAMES), dataset)


def test_scores_are_written_as_json_csv_and_a_picture(tmp_path):
    scores = score(named_checkpoint(NAMES), open_pictures(write_pictures(tmp_path, 1)))
    write_scores(scores, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "scores.json").read_text()) == scores
    assert (tmp_path / "out" / "scores.csv").read_text().splitlines()[-1].startswith("mean,")
    with Image.open(tmp_path / "out" / "confusion.png") as plot:
        assert plot.width > 200


def test_the_authors_camvid_weights_reach_what_they_published(data):
    """70.1 % on the 101 frames of the validation part; every third frame of it is at hand."""
    file = data / "weights" / "ESPNet" / "decoder" / "espnet_p_2_q_8_camvid.pth"
    dataset = open_data(DataOptions(dataset="camvid", root=data / "camvid", split="val"))
    scores = score(import_checkpoint(file, "espnet", "camvid"), dataset)
    assert [c.name for c in CAMVID] == list(scores["class_iou"])
    assert scores["images"] == 34
    assert scores["miou"] == pytest.approx(0.701, abs=0.01)


def write_indices(folder, count, ignored=()):
    """Write pictures whose masks hold the labels themselves, and 255 in some of their rows."""
    images, labels = write_pictures(folder, count)
    for number in range(count):
        _, truth = draw(64, 64, number)
        truth[list(ignored)] = 255
        Image.fromarray(truth).save(labels / f"p{number}.png")
    return images, labels


def test_masks_without_a_map_hold_the_checkpoints_classes(tmp_path):
    images, labels = write_indices(tmp_path, 2, ignored=(5, 6))
    checkpoint = named_checkpoint(NAMES, seed=3)
    listener = RecordingListener()
    found = wsiseg.evaluate(
        DataOptions(images=images, labels=labels), checkpoint, listener=listener
    )
    wanted = wsiseg.evaluate(
        DataOptions(images=images, labels=labels, class_map="0=ground,1=round,2=long,255=ignore"),
        checkpoint,
    )
    assert found == wanted
    assert found["pixels"] == 2 * 62 * 64
    assert (
        "the values of the masks are taken as the checkpoint's classes: 0 ground, 1 round, 2 long"
    ) in listener.notes
    # A training has no classes to take.
    with pytest.raises(ArgumentError, match="`class_map`"):
        open_data(DataOptions(images=images, labels=labels))
    with pytest.raises(ArgumentError, match="`class_map`"):
        TrainOptions(data=DataOptions(images=images, labels=labels))


def test_a_value_that_is_no_class_of_the_checkpoint_is_named(tmp_path):
    images, labels = write_indices(tmp_path, 1)
    with pytest.raises(AnnotationError, match="2"):
        wsiseg.evaluate(
            DataOptions(images=images, labels=labels), named_checkpoint(("ground", "round"))
        )


def test_every_picture_has_scores_of_its_own_which_add_up(tmp_path):
    checkpoint = named_checkpoint(NAMES, seed=3)
    scores = score(checkpoint, open_pictures(write_pictures(tmp_path, 3)))
    assert [each["picture"] for each in scores["pictures"]] == ["p0", "p1", "p2"]
    assert sum(each["pixels"] for each in scores["pictures"]) == scores["pixels"]
    for number, each in enumerate(scores["pictures"]):
        alone = confusion_of(checkpoint, [draw(64, 64, number)])
        assert each["miou"] == pytest.approx(alone.mean_iou)
        assert list(each["class_iou"].values()) == pytest.approx(alone.iou.tolist())
    found = np.array(scores["confusion"])[:, :3]
    assert scores["class_precision"]["long"] == pytest.approx(found[2, 2] / found[:, 2].sum())


@pytest.mark.parametrize("boundary", [True, False])
def test_the_worst_pictures_are_drawn(boundary, tmp_path):
    folders = write_pictures(tmp_path, 3)
    checkpoint = named_checkpoint(NAMES, seed=3)
    images, labels = folders
    data = DataOptions(images=images, labels=labels, class_map=CLASS_MAP)
    out = tmp_path / "out"
    (out / "worst").mkdir(parents=True)
    for name in ("07-earlier.jpg", "mine.jpg"):
        (out / "worst" / name).write_text("of before")
    scores = wsiseg.evaluate(data, checkpoint, out, worst=2, boundary=boundary)
    order = sorted(scores["pictures"], key=lambda each: each["miou"])
    names = [f"{rank:02d}-{each['picture']}.jpg" for rank, each in enumerate(order[:2], start=1)]
    assert sorted(path.name for path in (out / "worst").iterdir()) == [*names, "mine.jpg"]
    drawn = np.asarray(Image.open(out / "worst" / names[0])).astype(int)
    assert drawn.shape == (64, 3 * 64 + 2 * 8, 3)
    pixels, truth = draw(64, 64, int(order[0]["picture"][1:]))
    found = label_whole(checkpoint, torch.from_numpy(pixels)).numpy()
    # Red where something is wrong, and the picture as it is elsewhere.
    errors = drawn[:, -64:]
    wanted = np.where((found != truth)[..., None], (pixels + np.array([230, 0, 0])) / 2, pixels)
    assert np.abs(errors - wanted).mean() < 10
    rows = (out / "pictures.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows[1:]] == [each["picture"] for each in order]


def test_what_is_too_large_for_an_overlay_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("wsiseg.training.sample_scores.WHOLE", 64 * 64)
    images, labels = write_pictures(tmp_path, 2)
    pixels, truth = draw(64, 80, 9)
    Image.fromarray(pixels).save(images / "wide.png")
    Image.fromarray(np.array([0, 7, 9], np.uint8)[truth]).save(labels / "wide.png")
    data = DataOptions(images=images, labels=labels, class_map=CLASS_MAP)
    checkpoint, out = named_checkpoint(NAMES, seed=3), tmp_path / "out"
    listener = RecordingListener()
    scores = wsiseg.evaluate(data, checkpoint, out, boundary=False, worst=3, listener=listener)
    (said,) = (line for line in listener.warnings if "overlay" in line)
    assert said.endswith("would be among the worst, and have no overlay: wide")
    assert sorted(path.stem[3:] for path in (out / "worst").iterdir()) == ["p0", "p1"]
    # Without overlays nothing is missed, nor where others are worse.
    listener = RecordingListener()
    wsiseg.evaluate(data, checkpoint, boundary=False, listener=listener)
    assert listener.warnings == []
    listener = RecordingListener()
    wsiseg.evaluate(data, checkpoint, out, boundary=False, worst=1, listener=listener)
    lowest = min(scores["pictures"], key=lambda each: each["miou"])["picture"]
    assert bool(listener.warnings) == (lowest == "wide")


def test_overlays_of_several_checkpoints_stand_in_folders_of_their_own(tmp_path):
    images, labels = write_pictures(tmp_path, 3)
    data = DataOptions(images=images, labels=labels, class_map=CLASS_MAP)
    checkpoints, out = [named_checkpoint(NAMES, seed=seed) for seed in (1, 3)], tmp_path / "out"
    wsiseg.evaluate(data, checkpoints[0], out, worst=2)
    scores = wsiseg.compare(data, checkpoints, out, worst=1)
    folders = sorted((out / "worst").iterdir())
    entries = (scores, *scores["compared"])
    assert [folder.name[:2] for folder in folders] == ["1-", "2-"]
    for folder, entry in zip(folders, entries, strict=True):
        lowest = min(entry["pictures"], key=lambda each: each["miou"])["picture"]
        assert [path.name for path in folder.iterdir()] == [f"01-{lowest}.jpg"]
    # What a comparison left does not stay beside the overlays of one alone.
    wsiseg.evaluate(data, checkpoints[1], out, worst=1)
    (only,) = (out / "worst").iterdir()
    assert only.read_bytes() == next(folders[1].parent.glob("01-*.jpg")).read_bytes()

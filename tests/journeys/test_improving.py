"""From a checkpoint that is at hand to a better one: score, annotate, fine-tune, compare."""

import csv
import json

import numpy as np
import pytest
import torch

import wsiseg
from commands import run
from pictures import NAMES, draw, write_annotated_slide, write_pictures
from tiny import named_checkpoint
from wsiseg.models import create_model
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.training import EvaluateOptions, open_data

NUCLEI = "0=background,7=nucleus,9=background"
FEW = ("--workers", 0, "--batch", 2, "--epochs", 2, "--tile", 32, "--slide-mpp", 0.25, "--mpp", 0.5)


@pytest.fixture
def nuclei(tmp_path):
    """A checkpoint of glass, tissue and nucleus that has learnt nothing yet."""
    torch.manual_seed(0)
    names = ("glass", "tissue", "nucleus")
    card = CheckpointCard(
        architecture="espnet",
        arguments={"alpha2": 1, "alpha3": 1},
        classes=tuple(ClassEntry(name=n, colour=(i, i, i)) for i, n in enumerate(names)),
        mpp=0.5,
    )
    network = create_model("espnet", 3, alpha2=1, alpha3=1)
    return Checkpoint(card, network).save(tmp_path / "nuclei.safetensors")


def named(folder, class_map):
    images, labels = write_pictures(folder, 5)
    return ("--images", images, "--labels", labels, "--class-map", class_map)


def test_a_few_fields_improve_on_a_checkpoint_and_the_difference_is_told(nuclei, tmp_path):
    fields = named(tmp_path / "fields", NUCLEI)
    before = run("evaluate", "-c", nuclei, *fields, "--slide-mpp", 0.25, "--json")
    assert before.status == 0, before.err
    assert "note: background is scored as glass or tissue" in before.err
    trained = run("train", *fields, *FEW, "--init", nuclei, "-o", tmp_path / "run")
    assert trained.status == 0, trained.err
    after = tmp_path / "run" / "best.safetensors"
    assert [c.name for c in wsiseg.load_checkpoint(after).classes] == ["background", "nucleus"]

    # Without the size of their pixels nothing is scored, unless the training has recorded it.
    unknown = run("evaluate", "-c", nuclei, *fields)
    assert "Say what the pictures have with --slide-mpp, or take them as they are" in unknown.err
    assert (unknown.status, unknown.out) == (2, "")
    recalled = run("evaluate", "-c", after, *fields, "--json")
    assert "warning: the pictures do not state their µm per pixel: 0.25 are taken" in recalled.err
    assert json.loads(recalled.out)["settings"]["slide_mpp"] == 0.25

    words = ("evaluate", *fields, "--slide-mpp", 0.25, "-o", tmp_path / "scores")
    compared = run(*words, "-c", nuclei, "--compare", after)
    assert compared.status == 0, compared.err
    lines = compared.out.splitlines()
    assert lines[:2] == [f"A  {nuclei}", f"B  {after}"]
    assert "".join(lines[3].split()) == "classDiceADiceBB-A95%interval"
    told = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert {key: told[key] for key in json.loads(before.out)} == json.loads(before.out)
    (entry,) = told["compared"]
    gap = entry["difference"]["class_dice"]["nucleus"]
    (row,) = (line.split() for line in lines[4:7] if line.startswith("nucleus"))
    assert row[1:4] == [
        f"{told['class_dice']['nucleus']:.4f}",
        f"{entry['class_dice']['nucleus']:.4f}",
        f"{gap['value']:+.4f}",
    ]
    assert row[4:] == [f"{gap['low']:+.4f}", "to", f"{gap['high']:+.4f}"]
    assert "5 pictures" in lines[13]
    assert "rough" in lines[14]
    assert all(str(file) in "".join(lines[-2:]) for file in (tmp_path / "scores").iterdir())
    with (tmp_path / "scores" / "comparison.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6


def test_five_fields_of_another_task_are_learnt_from_the_same_checkpoint(nuclei, tmp_path):
    fields = named(tmp_path / "fields", "0=background,7=gland,9=gland")
    refused = run("evaluate", "-c", nuclei, *fields, "--slide-mpp", 0.25)
    assert refused.status == 1
    assert "does not know background, gland" in refused.err
    scratch = ("--set", "alpha2=1", "--set", "alpha3=1")
    for name, words in (("tuned", ("--init", nuclei)), ("scratch", scratch)):
        out = tmp_path / name
        trained = run("train", *fields, *FEW, *words, "-o", out)
        assert trained.status == 0, trained.err
        card = wsiseg.load_checkpoint(out / "best.safetensors").card
        assert [entry.name for entry in card.classes] == ["background", "gland"]
        assert card.mpp == 0.5
        assert (nuclei.name in str(card.training["began_with"])) == (name == "tuned")
    both = (tmp_path / name / "best.safetensors" for name in ("tuned", "scratch"))
    compared = run("evaluate", "--compare", *both, *fields, "--slide-mpp", 0.25, "--json")
    assert compared.status == 0, compared.err
    document = json.loads(compared.out)
    assert 0 <= document["compared"][0]["class_dice"]["gland"] <= 1


@pytest.fixture
def checkpoints(tmp_path):
    return [
        named_checkpoint(NAMES, 0.5, seed).save(tmp_path / f"{seed}.safetensors")
        for seed in (1, 2, 3)
    ]


def test_checkpoints_may_be_named_in_any_way(checkpoints, tmp_path):
    pixels, labels = draw(200, 200, 3)
    data = write_annotated_slide(tmp_path, pixels, labels)
    words = ("evaluate", "--slides", data.slides, "--annotations", data.annotations)
    words += ("--runtime", "torch", "--json")
    one, two, three = checkpoints
    ways = (
        ("-c", one, "--compare", two, "--compare", three),
        ("-c", one, "--compare", two, three),
        ("--compare", one, two, three),
        ("--compare", one, "--compare", two, "--compare", three),
    )
    found = []
    for way in ways:
        outcome = run(*words, *way)
        assert outcome.status == 0, outcome.err
        found.append(json.loads(outcome.out))
    assert found.count(found[0]) == len(ways)
    assert (found[0]["checkpoint"], len(found[0]["compared"])) == (str(one), 2)
    # The slide is annotated throughout, and smaller than a field.
    assert found[0]["interval"]["units"] == "1 annotated field"
    options = EvaluateOptions(runtime="torch")
    alone = wsiseg.training.score(wsiseg.load_checkpoint(three), open_data(data), options)
    assert found[0]["compared"][1]["class_iou"] == pytest.approx(alone["class_iou"])
    text = run(*words[:-1], *ways[0]).out
    legend = [f"{letter}  {path}" for letter, path in zip("ABC", checkpoints, strict=True)]
    assert text.splitlines()[:3] == legend
    assert "there is no interval with fewer than 2 annotated fields" in text
    assert np.isfinite(found[0]["miou"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no checkpoint is named (--checkpoint)"),
        (("--compare", "a"), "a comparison needs two checkpoints (a)"),
        (("a",), "no option (a). Name the checkpoint to score"),
        (("-c", "a", "b"), "(b). Name the checkpoint to score with --checkpoint, and others"),
    ],
)
def test_too_few_checkpoints_are_wrong_usage(words, said, tmp_path):
    data = ("--images", tmp_path, "--labels", tmp_path, "--class-map", "0=a,1=b")
    outcome = run("evaluate", *data, *words)
    assert outcome.status == 2
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_missing_checkpoint_is_found_before_anything_is_scored(checkpoints, tmp_path):
    data = named(tmp_path / "fields", "0=ground,7=round,9=long")
    outcome = run("evaluate", *data, "-c", checkpoints[0], "--compare", "nowhere.safetensors")
    assert outcome.status == 1
    assert "nowhere.safetensors" in outcome.err
    assert "scoring" not in outcome.err

"""What a checkpoint says of its training."""

from pathlib import Path

import numpy as np
import pytest

import wsiseg
from tiny import tiny_checkpoint
from trainings import RecordingListener, options, rows_of
from wsiseg.errors import CheckpointError
from wsiseg.models import create_model
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.training import fit
from wsiseg.training.card import describe_checkpoint
from wsiseg.training.recipes import RECIPES


def test_what_was_learnt_from_is_not_said_to_be_kept_back(pictures, tmp_path):
    result = fit(options(pictures, val_fraction=0, epochs=1), tmp_path / "run")
    assert result.validation_samples == 0
    assert (tmp_path / "run" / "validation.txt").read_text() == ""
    assert len((tmp_path / "run" / "training.txt").read_text().split()) == 4
    checkpoint = wsiseg.load_checkpoint(result.checkpoint)
    assert checkpoint.card.training["validation_samples"] == 0
    card = describe_checkpoint(checkpoint)
    assert "| validation data | none |" in card
    assert "## Scores on the training data" in card


def test_a_scale_is_said_and_remembered(pictures, tmp_path):
    heard = RecordingListener()
    halved = options(pictures, scale=0.5, epochs=1)
    checkpoint = wsiseg.load_checkpoint(fit(halved, tmp_path / "run", listener=heard).checkpoint)
    assert heard.notes[0] == "3 training samples and 1 validation sample, at 0.5 of their size"
    assert (checkpoint.mpp, checkpoint.scale) == (None, 0.5)
    assert "pictures at 0.5 of their size" in describe_checkpoint(checkpoint)
    # Who begins with it looks at pictures in the same way.
    again = options(pictures, arguments={}, init=tmp_path / "run" / "best.safetensors", epochs=1)
    heard = RecordingListener()
    tuned = fit(again, tmp_path / "again", listener=heard)
    assert "at 0.5 of their size" in heard.notes[0]
    assert wsiseg.load_checkpoint(tuned.checkpoint).scale == 0.5
    whole = again.replace(scale=1.0)
    assert wsiseg.load_checkpoint(fit(whole, tmp_path / "whole").checkpoint).scale is None


def test_the_checkpoint_says_what_was_chosen(pictures, tmp_path):
    result = fit(options(pictures, epochs=1, ema=0.5), tmp_path / "run")
    facts = wsiseg.load_checkpoint(result.checkpoint).card.training
    chosen = {"ema": 0.5, "clip": 5.0, "lr": 1e-3, "batch": 2, "tile": [64, 64], "tiles": 3}
    assert chosen.items() <= facts.items()
    assert (facts["balance"], facts["augment"], facts["workers"]) == (None, "none", 0)


def test_the_rate_of_an_epoch_is_the_mean_of_its_steps(pictures, tmp_path):
    settings = {"epochs": 3, "lr": 0.25, "val_fraction": 0, "batch": 1, "tiles": 4}
    fit(options(pictures, **settings), tmp_path / "run")
    (stage,) = RECIPES["plain"].stages
    wanted = [np.mean([0.25 * stage.factor(e + s / 4, 3) for s in range(4)]) for e in range(3)]
    rates = [float(row["lr"]) for row in rows_of(tmp_path / "run")]
    assert rates == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    ("training", "scale"),
    [
        ({"scale": 0.5}, 0.5),
        ({"scale": 1}, None),
        ({"scale": None}, None),
        ({}, None),
        ({"scale": "half"}, None),
        ({"scale": -1}, None),
        ({"scale": True}, None),
    ],
)
def test_the_size_of_the_pictures_is_remembered(
    training: dict[str, object], scale: float | None
) -> None:
    card = CheckpointCard(
        architecture="espnet",
        classes=(ClassEntry(name="a", colour=(0, 0, 0)),),
        training=training,
    )
    assert Checkpoint(card, create_model("espnet", 1)).scale == scale


def test_what_a_training_leaves_beside_its_checkpoint_points_to_it(tmp_path: Path) -> None:
    best = tiny_checkpoint().save(tmp_path / "best.safetensors")
    beside, published = tmp_path / "last.ckpt", tmp_path / "published.pth"
    for path in (beside, published):
        path.write_bytes(b"something else")
    for path in (beside, tmp_path):
        with pytest.raises(CheckpointError, match=r"Did you mean .*best\.safetensors\?"):
            wsiseg.load_checkpoint(path)
    with pytest.raises(CheckpointError, match="wsiseg models import"):
        wsiseg.load_checkpoint(published)
    with pytest.raises(CheckpointError, match=r"no such checkpoint .*Check the path\.$"):
        wsiseg.load_checkpoint(best.with_name("nowhere.safetensors"))

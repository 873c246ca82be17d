"""What is read of a training's folder: curves and warnings, or why they cannot be read."""

import pytest

from tiny import tiny_checkpoint
from wsiseg.errors import CheckpointError, DataSetError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.viewer.training_notes import read_curves, read_warnings


def test_curves_leave_out_what_was_not_scored(tmp_path):
    assert read_curves(tmp_path, ["val_miou"]) == {"val_miou": []}
    (tmp_path / "metrics.csv").write_text(
        "epoch,train_loss,val_miou\n1,0.5,\n2,0.4,0.25\n3,nan,0.5\n", encoding="utf-8"
    )
    assert read_curves(tmp_path, ["train_loss", "val_miou"]) == {
        "train_loss": [(1.0, 0.5), (2.0, 0.4)],
        "val_miou": [(2.0, 0.25), (3.0, 0.5)],
    }
    for damaged in ("epoch,train_loss\none,0.5\n", "a,b\n1,2\n"):
        (tmp_path / "metrics.csv").write_text(damaged, encoding="utf-8")
        with pytest.raises(DataSetError, match=r"metrics\.csv"):
            read_curves(tmp_path, ["train_loss"])


def test_warnings_are_those_of_the_checkpoint_and_a_damaged_one_is_told(tmp_path):
    assert read_warnings(tmp_path) == []
    tiny = tiny_checkpoint()
    card = tiny.card.model_copy(update={"training": {"warnings": ["one slide only"]}})
    path = Checkpoint(card, tiny.network).save(tmp_path / "best.safetensors")
    assert read_warnings(tmp_path) == ["one slide only"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"best\.safetensors"):
        read_warnings(tmp_path)

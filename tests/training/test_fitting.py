"""Training from beginning to end: what it learns, what it leaves, how it goes on."""

import csv
import dataclasses
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import wsiseg
from pictures import CLASS_MAP, write_pictures
from wsiseg.errors import ArgumentError, DataSetError, OutputExistsError
from wsiseg.models.registry import create_model
from wsiseg.training import DataOptions, TrainOptions, train
from wsiseg.training.listener import TrainingListener

SMALL = {"alpha2": 1, "alpha3": 1}


class Heard(TrainingListener):
    def __init__(self):
        self.losses, self.rows, self.warnings, self.notes = [], [], [], []

    def stepped(self, epoch, step, loss):
        self.losses.append(loss)

    def finished_epoch(self, row, best):
        self.rows.append(dict(row))

    def warned(self, text):
        self.warnings.append(text)

    def noted(self, text):
        self.notes.append(text)


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path, 4)


def options(pictures, **settings):
    images, labels = pictures
    data = DataOptions.build(images=images, labels=labels, class_map=CLASS_MAP)
    usual = {"arguments": SMALL, "epochs": 2, "batch": 2, "workers": 0, "augment": "none"}
    return TrainOptions.build(data=data, **{**usual, **settings})


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_smallest_network_learns_two_tiles_by_heart(tmp_path):
    pictures = write_pictures(tmp_path, 2, (32, 32))
    heard = Heard()
    settings = {"epochs": 50, "tiles": 8, "val_fraction": 0, "val_every": 25}
    wanted = options(pictures, lr=0.02, clip=0.0, ema=0.0, **settings)
    result = train(wanted, tmp_path / "run", listener=heard)
    assert heard.losses[0] > 1
    assert np.mean(heard.losses[-5:]) < 0.03
    assert result.miou > 0.98
    assert any("nothing is kept back" in text for text in heard.warnings)


def test_a_training_leaves_what_it_says(pictures, tmp_path):
    result = train(options(pictures, epochs=3, val_every=2), tmp_path / "run")
    folder = tmp_path / "run"
    assert {f.name for f in folder.iterdir()} == {
        "best.safetensors",
        "last.ckpt",
        "metrics.csv",
        "curves.png",
        "config.yaml",
    }
    rows = rows_of(folder)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [bool(row["val_miou"]) for row in rows] == [False, True, False]
    assert float(rows[1]["val_miou"]) == pytest.approx(result.miou)
    with Image.open(folder / "curves.png") as curves:
        assert curves.width > 300
    assert yaml.safe_load((folder / "config.yaml").read_text())["epochs"] == 3
    checkpoint = wsiseg.load_checkpoint(result.checkpoint)
    assert [c.name for c in checkpoint.classes] == ["ground", "round", "long"]
    assert checkpoint.card.arguments == SMALL
    assert checkpoint.card.metrics["val_miou"] == pytest.approx(result.miou, abs=1e-4)
    assert len(checkpoint.card.training["kept_back"]) == 1
    assert checkpoint.card.training["epoch"] == 2


def test_the_same_seed_gives_the_same_weights_and_another_one_others(pictures, tmp_path):
    digests = []
    for number, settings in enumerate([{}, {"workers": 1}, {"seed": 1}]):
        chosen = options(pictures, augment="tissue", val_fraction=0, **settings)
        result = train(chosen, tmp_path / str(number))
        digests.append(wsiseg.load_checkpoint(result.checkpoint).sha256)
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_a_killed_training_goes_on_with_the_same_losses(pictures, tmp_path):
    """Dropout, averaged weights, schedule, augmentation: all of it as if nothing had happened."""
    settings = {"epochs": 4, "augment": "tissue", "ema": 0.9, "val_every": 1}
    unbroken = Heard()
    train(options(pictures, **settings), tmp_path / "whole", listener=unbroken)

    class Killed(Heard):
        def stepped(self, epoch, step, loss):
            super().stepped(epoch, step, loss)
            if epoch == 2 and step == 1:
                raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train(options(pictures, **settings), tmp_path / "broken", listener=Killed())
    resumed = Heard()
    train(options(pictures, **settings), tmp_path / "broken", resume=True, listener=resumed)
    steps = len(resumed.losses) // 2
    assert steps * 4 == len(unbroken.losses)
    assert resumed.losses == pytest.approx(unbroken.losses[2 * steps :], abs=1e-6)
    whole, broken = rows_of(tmp_path / "whole"), rows_of(tmp_path / "broken")
    for row in (*whole, *broken):
        del row["seconds"]
    assert whole == broken
    first, second = (
        wsiseg.load_checkpoint(tmp_path / name / "best.safetensors") for name in ("whole", "broken")
    )
    assert first.sha256 == second.sha256


def test_a_training_that_is_killed_from_outside_goes_on(pictures, tmp_path):
    images, labels = pictures
    command = [sys.executable, "-m", "wsiseg", "train", "--images", str(images)]
    command += ["--labels", str(labels), "--class-map", CLASS_MAP, "-o", str(tmp_path / "run")]
    command += ["--epochs", "400", "--batch", "2", "--workers", "0", "--set", "alpha3=1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (tmp_path / "run" / "last.ckpt").exists():
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    done = len(rows_of(tmp_path / "run"))
    assert 0 < done < 400
    rows = []

    class Enough(TrainingListener):
        def finished_epoch(self, row, best):
            rows.append(row)
            raise RuntimeError("enough")

    same = TrainOptions.load(tmp_path / "run" / "config.yaml")
    with pytest.raises(RuntimeError, match="enough"):
        train(same, tmp_path / "run", resume=True, listener=Enough())
    # The row of an epoch may stand while its last.ckpt does not.
    assert rows[0]["epoch"] in (done, done + 1)


def test_resuming_before_the_first_epoch_begins_anew(pictures, tmp_path):
    class Killed(Heard):
        def stepped(self, epoch, step, loss):
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train(options(pictures), tmp_path / "run", listener=Killed())
    heard = Heard()
    assert train(options(pictures), tmp_path / "run", resume=True, listener=heard).epochs == 2
    assert any("anew" in note for note in heard.notes)


def test_a_finished_training_is_not_trained_again(pictures, tmp_path):
    first = train(options(pictures), tmp_path / "run")
    heard = Heard()
    again = train(options(pictures), tmp_path / "run", resume=True, listener=heard)
    assert heard.losses == []
    assert (again.miou, again.epochs) == (first.miou, 2)


def test_a_standing_training_is_refused_or_replaced(pictures, tmp_path):
    train(options(pictures), tmp_path / "run")
    with pytest.raises(OutputExistsError, match=r"--resume .* --overwrite"):
        train(options(pictures), tmp_path / "run")
    assert train(options(pictures, epochs=1), tmp_path / "run", overwrite=True).epochs == 1
    assert len(rows_of(tmp_path / "run")) == 1


def test_resuming_with_other_settings_is_refused(pictures, tmp_path):
    train(options(pictures), tmp_path / "run")
    with pytest.raises(ArgumentError, match="lr"):
        train(options(pictures, lr=0.5), tmp_path / "run", resume=True)


def test_fine_tuning_takes_over_what_fits(pictures, tmp_path):
    base = train(options(pictures), tmp_path / "base").checkpoint
    heard = Heard()
    same = options(pictures, arguments={}, init=base, epochs=1, lr=1e-9, ema=0.0)
    tuned = wsiseg.load_checkpoint(train(same, tmp_path / "same", listener=heard).checkpoint)
    before = wsiseg.load_checkpoint(base)
    assert tuned.card.arguments == before.card.arguments
    assert tuned.card.normalisation == before.card.normalisation
    assert heard.notes == []
    for (name, old), new in zip(
        before.network.named_parameters(), tuned.network.parameters(), strict=True
    ):
        assert torch.allclose(old, new, atol=1e-6), name
    images, labels = pictures
    two = DataOptions.build(images=images, labels=labels, class_map="0=ground,7=thing,9=thing")
    other = same.model_copy(update={"data": two})
    result = train(other, tmp_path / "other", listener=heard)
    assert [c.name for c in wsiseg.load_checkpoint(result.checkpoint).classes] == [
        "ground",
        "thing",
    ]
    assert "begin anew" in heard.notes[0]


def test_a_frozen_encoder_stays_to_the_bit(pictures, tmp_path):
    base = train(options(pictures), tmp_path / "base").checkpoint
    frozen = options(pictures, arguments={}, init=base, freeze_encoder=True, lr=0.01, ema=0.0)
    result = train(frozen, tmp_path / "frozen")
    before = wsiseg.load_checkpoint(base).network.state_dict()
    after = wsiseg.load_checkpoint(result.checkpoint).network.state_dict()
    encoder = [key for key in before if key.startswith("encoder.")]
    assert encoder
    assert all(torch.equal(before[key], after[key]) for key in encoder)
    assert not torch.equal(before["up1.weight"], after["up1.weight"])


def test_averaged_weights_are_what_is_kept(pictures, tmp_path):
    plain = train(options(pictures, ema=0.0), tmp_path / "plain").checkpoint
    averaged = train(options(pictures, ema=0.99), tmp_path / "averaged").checkpoint
    first, second = (
        wsiseg.load_checkpoint(p).network.state_dict()["up1.weight"] for p in (plain, averaged)
    )
    assert not torch.equal(first, second)


def test_patience_ends_a_training_that_does_not_get_better(pictures, tmp_path):
    stuck = options(pictures, epochs=50, lr=1e-12, ema=0.0, patience=2)
    ended = train(stuck, tmp_path / "run").epochs
    assert ended < 10
    heard = Heard()
    assert train(stuck, tmp_path / "run", resume=True, listener=heard).epochs == ended
    assert heard.losses == []


def test_bfloat16_trains_to_finite_losses(pictures, tmp_path):
    heard = Heard()
    train(options(pictures, precision="bf16"), tmp_path / "run", listener=heard)
    assert all(math.isfinite(loss) for loss in heard.losses)


def test_the_recipe_of_espnet_trains_the_encoder_first(pictures, tmp_path):
    heard = Heard()
    result = train(options(pictures, recipe="espnet"), tmp_path / "run", listener=heard)
    encoder = wsiseg.load_checkpoint(tmp_path / "run" / "encoder" / "best.safetensors")
    whole = wsiseg.load_checkpoint(result.checkpoint)
    assert (encoder.card.architecture, whole.card.architecture) == ("espnet-c", "espnet")
    assert "begin anew" in heard.notes[0]
    # Four pictures, one kept back, two a batch, five magnifications: ten steps an epoch.
    assert len(heard.losses) == 2 * 2 * 10


def test_going_on_with_the_second_stage_leaves_the_first_alone(pictures, tmp_path):
    class Killed(Heard):
        def finished_epoch(self, row, best):
            super().finished_epoch(row, best)
            if len(self.rows) == 4:
                raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train(options(pictures, recipe="espnet", epochs=3), tmp_path / "run", listener=Killed())
    heard = Heard()
    result = train(
        options(pictures, recipe="espnet", epochs=3), tmp_path / "run", resume=True, listener=heard
    )
    assert result.epochs == 3
    assert len(heard.rows) in (2, 3)


def test_two_processes_share_the_work(tmp_path):
    pictures = write_pictures(tmp_path, 5)
    wanted = options(pictures, device="cpu", devices=2, strategy="ddp_fork", epochs=2)
    script = (
        "from pathlib import Path; from wsiseg.training import *; "
        f"r = train(TrainOptions.load(Path({str(tmp_path / 'o.yaml')!r})), "
        f"{str(tmp_path / 'run')!r}); print(r.epochs, r.miou)"
    )
    wanted.save(tmp_path / "o.yaml")
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=240, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert len(rows_of(tmp_path / "run")) == 2


@pytest.mark.parametrize("name", ["espnet", "espnet-c"])
def test_every_network_takes_a_step(name, pictures, tmp_path):
    heard = Heard()
    train(options(pictures, model=name, epochs=1), tmp_path / "run", listener=heard)
    assert all(math.isfinite(loss) for loss in heard.losses)


def test_a_network_with_one_class_is_refused_before_it_learns(pictures, tmp_path):
    images, labels = pictures
    data = DataOptions.build(images=images, labels=labels, class_map="0=ignore,7=ignore,9=thing")
    with pytest.raises(DataSetError, match="one class"):
        train(options(pictures).model_copy(update={"data": data}), tmp_path / "run")


def test_results_are_plain_values(pictures, tmp_path):
    result = train(options(pictures), tmp_path / "run")
    assert dataclasses.asdict(result)["epochs"] == 2
    assert create_model("espnet", 3, **SMALL).classes == 3

"""Training from beginning to end: what it learns, and what it leaves."""

import dataclasses
import json
import math
import os
import struct
import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import lightning
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboardX.proto.event_pb2 import Event

import wsiseg
from pictures import CLASS_MAP, write_pictures
from trainings import SMALL, RecordingListener, options, rows_of
from wsiseg.errors import (
    ArgumentError,
    DataSetError,
    RuntimeUnavailableError,
    TrainingError,
    WsisegError,
)
from wsiseg.models.registry import create_model
from wsiseg.training import DataOptions, fit, loggers


def logged_in(folder):
    """Return what TensorBoard would draw: steps and values by name."""
    found = {}
    for file in sorted((folder / "tensorboard").glob("events.out.tfevents.*")):
        content = file.read_bytes()
        # A record is its length, a checksum of that, the event, a checksum of that.
        place = 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + length])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            place += length + 16
    return found


@pytest.mark.long
def test_the_smallest_network_learns_two_tiles_by_heart(tmp_path):
    pictures = write_pictures(tmp_path, 2, (32, 32))
    heard = RecordingListener()
    # An epoch costs more for its end than for its steps.
    settings = {"epochs": 10, "tiles": 40, "val_fraction": 0, "val_every": 5}
    wanted = options(pictures, lr=0.02, clip=0.0, ema=0.0, **settings)
    result = fit(wanted, tmp_path / "run", listener=heard)
    assert heard.losses[0] > 1
    assert np.mean(heard.losses[-5:]) < 0.03
    assert result.miou > 0.98
    assert any("no validation data" in text for text in heard.warnings)
    assert "2 training samples and 0 validation samples, as they are" in heard.notes


def test_nothing_is_logged_where_nothing_is_wanted(pictures, tmp_path):
    folder = tmp_path / "run"
    fit(options(pictures, epochs=1, tiles=2), folder)
    assert logged_in(folder)
    fit(options(pictures, epochs=1, tiles=2, tensorboard=False), folder, overwrite=True)
    assert not (folder / "tensorboard").exists()
    assert (folder / "best.safetensors").is_file()


class StandInRun:
    """Weights & Biases of a process: what it was begun with, and told."""

    def __init__(self):
        self.begun, self.rows, self.settings = [], [], {}
        self.id, self.config = "1", self

    def init(self, **words):
        self.begun.append(words)
        return self

    def log(self, row):
        self.rows.append(row)

    def update(self, settings, **_):
        self.settings.update(settings)

    def logged(self):
        """Return steps and values by name."""
        found = {}
        for row in self.rows:
            for name in row.keys() - {"trainer/global_step"}:
                found.setdefault(name, []).append((row["trainer/global_step"], row[name]))
        return found


@pytest.fixture
def wandb(monkeypatch):
    """Return a stand-in for what is sent to Weights & Biases by Lightning's own logger."""
    stand_in = StandInRun()
    parts = {
        "wandb": {"run": None, "init": stand_in.init},
        "wandb.sdk": {},
        "wandb.sdk.lib": {"RunDisabled": type(None)},
        "wandb.wandb_run": {"Run": type(None)},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(lightning.pytorch.loggers.wandb, "_WANDB_AVAILABLE", True)
    return stand_in


def test_weights_and_biases_is_told_what_tensorboard_is(pictures, tmp_path, wandb, usual_rights):
    folder = tmp_path / "run"
    result = fit(options(pictures, epochs=2, tiles=4, wandb=True), folder)
    (begun,) = wandb.begun
    assert (begun["name"], begun["project"], begun["dir"]) == ("run", "wsiseg", str(folder))
    logged, drawn = wandb.logged(), logged_in(folder)
    assert {"val_miou", "val_loss", "train_loss_epoch"} <= logged.keys() == drawn.keys()
    for name, values in drawn.items():
        assert [step for step, _ in logged[name]] == [step for step, _ in values]
        told = [float(value) for _, value in logged[name]]
        assert told == pytest.approx([value for _, value in values], rel=1e-6)
    assert result.checkpoint.stat().st_mode & 0o777 == (0o666 if os.name == "nt" else 0o644)


def test_what_is_not_installed_is_said_before_anything_is_read(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", {}.get)
    with pytest.raises(RuntimeUnavailableError, match="pip install wandb"):
        fit(options(pictures, wandb=True), tmp_path / "run")
    assert loggers.check_loggers(options(pictures)).startswith("nothing is logged for TensorBoard")
    assert loggers.make_loggers(options(pictures), tmp_path) == []


def test_a_training_leaves_what_it_says(pictures, tmp_path):
    result = fit(options(pictures, epochs=3, val_every=2), tmp_path / "run")
    folder = tmp_path / "run"
    assert {f.name for f in folder.iterdir()} == {
        "best.safetensors",
        "last.ckpt",
        "metrics.csv",
        "curves.png",
        "config.yaml",
        "training.txt",
        "validation.txt",
        "tensorboard",
    }
    logged = logged_in(folder)
    assert len((folder / "training.txt").read_text().split()) == 3
    rows = rows_of(folder)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [bool(row["val_miou"]) for row in rows] == [False, True, True]
    assert max(float(row["val_miou"]) for row in rows[1:]) == pytest.approx(result.miou, rel=1e-7)
    for name in ("val_miou", "val_loss", "val_pixel_accuracy"):
        wanted = [float(row[name]) for row in rows[1:]]
        assert [value for _, value in logged[name]] == pytest.approx(wanted, rel=1e-6)
    wanted = [float(row["train_loss"]) for row in rows]
    assert [value for _, value in logged["train_loss_epoch"]] == pytest.approx(wanted, rel=1e-6)
    with Image.open(folder / "curves.png") as curves:
        assert curves.width > 300
    assert yaml.safe_load((folder / "config.yaml").read_text())["epochs"] == 3
    checkpoint = wsiseg.load_checkpoint(result.checkpoint)
    assert [c.name for c in checkpoint.classes] == ["ground", "round", "long"]
    assert checkpoint.card.arguments == SMALL
    assert checkpoint.card.metrics["val_miou"] == result.miou
    assert (
        checkpoint.card.training["samples"],
        checkpoint.card.training["validation_samples"],
    ) == (3, 1)
    assert checkpoint.card.training["epoch"] in (2, 3)


def test_the_same_seed_gives_the_same_weights_and_another_one_others(pictures, tmp_path):
    digests = []
    for number, settings in enumerate([{}, {"workers": 1}, {"seed": 1}]):
        chosen = options(pictures, augment="tissue", val_fraction=0, **settings)
        result = fit(chosen, tmp_path / str(number))
        digests.append(wsiseg.load_checkpoint(result.checkpoint).sha256)
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_breaks_while_it_is_learnt_is_one_line(workers, pictures, tmp_path):
    class Breaks(RecordingListener):
        def noted(self, text):
            path = pictures[0] / "p0.png"
            path.write_bytes(path.read_bytes()[:2000])

    chosen = options(pictures, workers=workers, val_fraction=0)
    with pytest.raises(WsisegError, match=r"damaged.*p0\.png") as caught:
        fit(chosen, tmp_path / "run", listener=Breaks())
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_no_number_ends_the_training(pictures, tmp_path):
    with pytest.raises(TrainingError, match=r"the loss is .* `lr`"):
        fit(options(pictures, lr=1e30, epochs=5, ema=0.0, clip=0.0), tmp_path / "run")


@pytest.mark.parametrize("loss", ["cross-entropy", "cross-entropy+dice", "dice", "ohem"])
def test_every_loss_gets_smaller(loss, tmp_path):
    heard = RecordingListener()
    pictures = write_pictures(tmp_path, 2, (32, 32))
    settings = {"epochs": 6, "tiles": 8, "val_fraction": 0, "val_every": 6}
    chosen = options(pictures, loss=loss, lr=0.02, clip=0.0, ema=0.0, **settings)
    fit(chosen, tmp_path / "run", listener=heard)
    assert np.mean(heard.losses[-4:]) < 0.7 * np.mean(heard.losses[:4])


def test_half_precision_on_a_cpu_is_refused(pictures, tmp_path):
    with pytest.raises(ArgumentError, match="bf16"):
        fit(options(pictures, precision="fp16", device="cpu"), tmp_path / "run")
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeUnavailableError, match="no cuda device"):
            fit(options(pictures, device="cuda"), tmp_path / "run")


def test_fine_tuning_takes_over_what_fits(pictures, tmp_path):
    base = fit(options(pictures), tmp_path / "base").checkpoint
    heard = RecordingListener()
    same = options(pictures, arguments={}, init=base, epochs=1, lr=1e-9, ema=0.0)
    tuned = wsiseg.load_checkpoint(fit(same, tmp_path / "same", listener=heard).checkpoint)
    before = wsiseg.load_checkpoint(base)
    assert tuned.card.arguments == before.card.arguments
    assert tuned.card.normalisation == before.card.normalisation
    assert not any("newly initialised" in note for note in heard.notes)
    for (name, old), new in zip(
        before.network.named_parameters(), tuned.network.parameters(), strict=True
    ):
        assert torch.allclose(old, new, atol=1e-6), name
    images, labels = pictures
    two = DataOptions(images=images, labels=labels, class_map="0=ground,7=thing,9=thing")
    other = same.replace(data=two)
    result = fit(other, tmp_path / "other", listener=heard)
    assert [c.name for c in wsiseg.load_checkpoint(result.checkpoint).classes] == [
        "ground",
        "thing",
    ]
    assert any("newly initialised" in note for note in heard.notes)


def test_a_frozen_encoder_stays_to_the_bit(pictures, tmp_path):
    base = fit(options(pictures), tmp_path / "base").checkpoint
    frozen = options(pictures, arguments={}, init=base, freeze_encoder=True, lr=0.01, ema=0.0)
    result = fit(frozen, tmp_path / "frozen")
    before = wsiseg.load_checkpoint(base).network.state_dict()
    after = wsiseg.load_checkpoint(result.checkpoint).network.state_dict()
    encoder = [key for key in before if key.startswith("encoder.")]
    assert encoder
    assert all(torch.equal(before[key], after[key]) for key in encoder)
    assert not torch.equal(before["up1.weight"], after["up1.weight"])


def test_averaged_weights_are_what_is_kept(pictures, tmp_path):
    plain = fit(options(pictures, ema=0.0), tmp_path / "plain").checkpoint
    averaged = fit(options(pictures, ema=0.99), tmp_path / "averaged").checkpoint
    first, second = (
        wsiseg.load_checkpoint(p).network.state_dict()["up1.weight"] for p in (plain, averaged)
    )
    assert not torch.equal(first, second)


def test_patience_ends_a_training_that_does_not_get_better(pictures, tmp_path):
    stuck = options(pictures, epochs=50, lr=1e-12, ema=0.0, patience=2)
    ended = fit(stuck, tmp_path / "run").epochs
    assert ended < 10
    heard = RecordingListener()
    assert fit(stuck, tmp_path / "run", resume=True, listener=heard).epochs == ended
    assert heard.losses == []


def test_bfloat16_trains_to_finite_losses(tmp_path):
    pictures = write_pictures(tmp_path, 2, (256, 256))
    heard = RecordingListener()
    # At this size the gradients of dilated convolutions were NaN on CPUs with bf16.
    wanted = options(pictures, precision="bf16", tile=256, epochs=1, tiles=4, val_fraction=0)
    fit(wanted, tmp_path / "run", listener=heard)
    assert len(heard.losses) == 2
    assert all(math.isfinite(loss) for loss in heard.losses)


@pytest.mark.parametrize(
    ("recipe", "augment", "expected"),
    [
        ("plain", "auto", "512×32, 2 at a time, augmentation street"),
        ("rdrnet", "auto", "600×32, 2 at a time, augmentation photometric"),
        ("rdrnet", "street", "600×32, 2 at a time, augmentation street"),
    ],
)
def test_a_recipe_decides_on_tiles_and_changes_of_scenes(recipe, augment, expected, tmp_path):
    pictures, heard = write_pictures(tmp_path, 2, (32, 600)), RecordingListener()
    wanted = options(pictures, recipe=recipe, augment=augment, epochs=1, tiles=2)
    fit(wanted, tmp_path / "run", listener=heard)
    assert any(line.endswith(f"tiles of {expected}") for line in heard.notes)
    assert np.isfinite(heard.losses).all()


def test_the_recipe_of_espnet_trains_the_encoder_first(pictures, tmp_path):
    heard = RecordingListener()
    result = fit(options(pictures, recipe="espnet"), tmp_path / "run", listener=heard)
    encoder = wsiseg.load_checkpoint(tmp_path / "run" / "encoder" / "best.safetensors")
    whole = wsiseg.load_checkpoint(result.checkpoint)
    assert (encoder.card.architecture, whole.card.architecture) == ("espnet-c", "espnet")
    assert any("newly initialised" in note for note in heard.notes)
    # Four pictures, one kept back, two a batch, five magnifications: ten steps an epoch.
    assert len(heard.losses) == 2 * 2 * 10


@pytest.mark.long
@pytest.mark.parametrize("strategy", ["ddp", "ddp_fork"])
def test_two_processes_share_the_work(strategy, tmp_path):
    images, labels = write_pictures(tmp_path, 5)
    command = [sys.executable, "-m", "wsiseg", "train", "--images", str(images), "--json"]
    command += ["--labels", str(labels), "--class-map", CLASS_MAP, "-o", str(tmp_path / "run")]
    command += ["--epochs", "2", "--batch", "2", "--workers", "0", "--set", "alpha3=1"]
    command += ["--device", "cpu", "--devices", "2", "--strategy", strategy]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    result = json.loads(run.stdout)
    assert result["epochs"] == 2
    assert 0 <= result["miou"] <= 1
    rows = rows_of(tmp_path / "run")
    # Four pictures, two a batch, two processes: one step an epoch.
    assert [row["step"] for row in rows] == ["1", "2"]
    assert float(rows[-1]["lr"]) == pytest.approx(1e-3 * 0.5**0.9)
    assert (tmp_path / "run" / "curves.png").exists()
    assert run.stderr.count("epoch 2/2") == 1


@pytest.mark.parametrize("name", ["espnet", "espnet-c"])
def test_every_network_takes_a_step(name, pictures, tmp_path):
    heard = RecordingListener()
    fit(options(pictures, model=name, epochs=1), tmp_path / "run", listener=heard)
    assert all(math.isfinite(loss) for loss in heard.losses)


def test_a_network_with_one_class_is_refused_before_it_learns(pictures, tmp_path):
    images, labels = pictures
    data = DataOptions(images=images, labels=labels, class_map="0=ignore,7=ignore,9=thing")
    with pytest.raises(DataSetError, match="one class"):
        fit(options(pictures).replace(data=data), tmp_path / "run")


def test_results_are_plain_values(pictures, tmp_path):
    result = fit(options(pictures), tmp_path / "run")
    assert dataclasses.asdict(result)["epochs"] == 2
    assert create_model("espnet", 3, **SMALL).classes == 3


def test_training_leaves_the_processor_as_it_was(pictures, tmp_path):
    before = torch.get_num_threads()
    fit(options(pictures, epochs=1, tiles=2, threads=1), tmp_path / "run")
    assert torch.get_num_threads() == before
    assert torch.tensor([1e-40]).mul(1.0) != 0


def test_the_public_job_takes_data_checkpoint_output_and_keywords(pictures, tmp_path):
    images, labels = pictures
    data = wsiseg.DataOptions(images=images, labels=labels, class_map=CLASS_MAP)
    usual = {"epochs": 1, "batch": 2, "workers": 0, "augment": "none"}
    first = wsiseg.train(data, None, tmp_path / "a", arguments=SMALL, **usual)
    loaded = wsiseg.load_checkpoint(first.checkpoint)
    second = wsiseg.train(data, loaded, tmp_path / "b", **usual)
    assert wsiseg.load_checkpoint(second.checkpoint).card.arguments == loaded.card.arguments
    scores = wsiseg.evaluate(data, second.checkpoint, tmp_path / "scores", boundary=False)
    assert (tmp_path / "scores" / "scores.json").is_file()
    assert scores["images"] == 4
    loaded.path = None
    with pytest.raises(ArgumentError, match="not in a file"):
        wsiseg.train(data, loaded, tmp_path / "c", **usual)


def test_pictures_of_known_resolution_are_worked_at_that_of_the_initial_checkpoint(
    pictures, tmp_path
):
    first = fit(options(pictures, mpp=0.5, slide_mpp=0.5), tmp_path / "first")
    wanted = options(pictures, init=first.checkpoint, slide_mpp=0.25)
    assert fit(wanted, tmp_path / "second").mpp == 0.5

"""Interrupted and existing runs: resumed, overwritten, left alone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tiny  # noqa: F401 -- registers the network of the earlier run
import wsiseg
from pictures import CLASS_MAP
from repetitions import some_of
from trainings import RecordingListener, options, rows_of
from wsiseg.errors import (
    ArgumentError,
    OutputError,
    OutputExistsError,
    OutputHeldError,
    TrainingError,
    WsisegError,
)
from wsiseg.training import TrainOptions, fit, open_data
from wsiseg.training.listener import TrainingListener

INTERRUPTED_RUN = Path(__file__).with_name("interrupted_run")


@pytest.mark.parametrize(
    "settings", some_of([{"workers": 0}, {"workers": 1, "val_every": 3}], [{"workers": 0}])
)
def test_a_killed_training_goes_on_with_the_same_losses(settings, pictures, tmp_path):
    """Averaged weights, schedule, augmentation: all of it as if nothing had happened."""
    settings = {"epochs": 4, "augment": "tissue", "ema": 0.9, **settings}
    unbroken = RecordingListener()
    fit(options(pictures, **settings), tmp_path / "whole", listener=unbroken)

    class Killed(RecordingListener):
        def stepped(self, epoch, step, loss):
            super().stepped(epoch, step, loss)
            if epoch == 2 and step == 1:
                raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fit(options(pictures, **settings), tmp_path / "broken", listener=Killed())
    resumed = RecordingListener()
    fit(options(pictures, **settings), tmp_path / "broken", resume=True, listener=resumed)
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


@pytest.mark.long
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
        fit(same, tmp_path / "run", resume=True, listener=Enough())
    # The row of an epoch may stand while its last.ckpt does not.
    assert rows[0]["epoch"] in (done, done + 1)


class KilledAtOnce(RecordingListener):
    def stepped(self, epoch, step, loss):
        raise RuntimeError("killed")


@pytest.mark.parametrize("recipe", ["plain", "espnet"])
def test_a_training_that_has_learnt_nothing_is_in_nobodys_way(recipe, pictures, tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        fit(options(pictures, recipe=recipe), tmp_path / "run", listener=KilledAtOnce())
    assert (tmp_path / "run" / "config.yaml").exists()
    assert fit(options(pictures, epochs=1), tmp_path / "run").epochs == 1
    assert not (tmp_path / "run" / "encoder" / "config.yaml").exists()


def test_settings_of_something_else_are_left_alone(pictures, tmp_path):
    (tmp_path / "config.yaml").write_text("theirs: true")
    for overwrite in (False, True):
        with pytest.raises(OutputExistsError, match="no training run"):
            fit(options(pictures), tmp_path, overwrite=overwrite)
    assert (tmp_path / "config.yaml").read_text() == "theirs: true"


def test_resuming_before_the_first_epoch_begins_anew(pictures, tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        fit(options(pictures), tmp_path / "run", listener=KilledAtOnce())
    heard = RecordingListener()
    assert fit(options(pictures), tmp_path / "run", resume=True, listener=heard).epochs == 2
    assert any("anew" in note for note in heard.notes)


def test_a_finished_training_is_not_trained_again(pictures, tmp_path):
    first = fit(options(pictures), tmp_path / "run")
    heard = RecordingListener()
    again = fit(options(pictures), tmp_path / "run", resume=True, listener=heard)
    assert heard.losses == []
    assert (again.miou, again.epochs) == (first.miou, 2)


def test_a_standing_training_is_refused_or_replaced(pictures, tmp_path):
    fit(options(pictures), tmp_path / "run")
    with pytest.raises(OutputExistsError, match=r"`resume` .* `overwrite`"):
        fit(options(pictures), tmp_path / "run")
    assert fit(options(pictures, epochs=1), tmp_path / "run", overwrite=True).epochs == 1
    assert len(rows_of(tmp_path / "run")) == 1


def test_resuming_with_other_settings_is_refused(pictures, tmp_path):
    fit(options(pictures), tmp_path / "run")
    with pytest.raises(ArgumentError, match=r"started with None, not 0\.5 \(`lr`\)"):
        fit(options(pictures, lr=0.5), tmp_path / "run", resume=True)
    with pytest.raises(ArgumentError, match="`overwrite` exclude"):
        fit(options(pictures), tmp_path / "run", resume=True, overwrite=True)


def test_going_on_with_other_labels_is_refused(pictures, tmp_path):
    fit(options(pictures), tmp_path / "run")
    for mask in pictures[1].iterdir():
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(mask)
    with pytest.raises(TrainingError, match="have changed"):
        fit(options(pictures), tmp_path / "run", resume=True)


def test_overwriting_touches_nothing_that_is_not_ours(pictures, tmp_path):
    run = tmp_path / "run"
    (run / "encoder").mkdir(parents=True)
    (run / "encoder" / "model.py").write_text("ours is elsewhere")
    (run / "metrics.csv").write_text("somebody's")
    with pytest.raises(OutputExistsError, match="no training run"):
        fit(options(pictures, epochs=1), run, overwrite=True)
    (run / "metrics.csv").unlink()
    fit(options(pictures, epochs=1), run)
    fit(options(pictures, epochs=1), run, overwrite=True)
    assert (run / "encoder" / "model.py").read_text() == "ours is elsewhere"


def test_what_stands_is_not_touched_before_the_new_one_can_begin(pictures, tmp_path):
    best = fit(options(pictures, epochs=1), tmp_path / "run").checkpoint
    before = best.read_bytes()
    nowhere = tmp_path / "nowhere.txt"
    for wrong in ({"init": best, "arguments": {}}, {"model": "nothing"}, {"val_only": nowhere}):
        with pytest.raises(WsisegError):
            fit(options(pictures, **wrong), tmp_path / "run", overwrite=True)
        assert best.read_bytes() == before
    with pytest.raises(WsisegError):
        fit(options(pictures, strategy="nothing"), tmp_path / "fresh")
    assert fit(options(pictures, epochs=1), tmp_path / "fresh", overwrite=True).epochs == 1


@pytest.mark.long
def test_going_on_with_the_second_stage_leaves_the_first_alone(pictures, tmp_path):
    class Killed(RecordingListener):
        def finished_epoch(self, row, best):
            super().finished_epoch(row, best)
            if len(self.rows) == 4:
                raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fit(options(pictures, recipe="espnet", epochs=3), tmp_path / "run", listener=Killed())
    heard = RecordingListener()
    result = fit(
        options(pictures, recipe="espnet", epochs=3), tmp_path / "run", resume=True, listener=heard
    )
    assert result.epochs == 3
    assert len(heard.rows) in (2, 3)


def test_two_trainings_into_one_folder(pictures, tmp_path):
    run = tmp_path / "run"

    class Second(RecordingListener):
        def stepped(self, epoch, step, loss):
            super().stepped(epoch, step, loss)
            if len(self.losses) == 3:
                for how in ({}, {"overwrite": True}, {"resume": True}):
                    with pytest.raises(OutputHeldError, match=f"process {os.getpid()} on"):
                        fit(options(pictures), run, **how)

    assert fit(options(pictures), run, listener=Second()).epochs == 2
    assert len(rows_of(run)) == 2
    assert not (run / "train.lock").exists()


def test_a_refused_training_leaves_no_folder(pictures, tmp_path):
    for mask in pictures[1].iterdir():
        mask.unlink()
    with pytest.raises(WsisegError):
        fit(options(pictures), tmp_path / "some" / "run")
    assert not (tmp_path / "some").exists()
    with pytest.raises(OutputError, match="file, not a folder"):
        fit(options(pictures), next(pictures[0].iterdir()) / "run")


def save(state):
    def damage(run):
        torch.save(state, run / "last.ckpt")

    return damage


def cut(run):
    (run / "last.ckpt").write_bytes((run / "last.ckpt").read_bytes()[:5000])


def forget_part(run):
    state = torch.load(run / "last.ckpt", weights_only=True)
    state["callbacks"] = {name: {} for name in state["callbacks"]}
    torch.save(state, run / "last.ckpt")


def shrink(run):
    state = torch.load(run / "last.ckpt", weights_only=True)
    state["state_dict"].popitem()
    torch.save(state, run / "last.ckpt")


def binary(run):
    (run / "last.ckpt").write_bytes(bytes(range(256)))


@pytest.mark.parametrize("damage", [save({}), save([1]), cut, forget_part, shrink, binary])
def test_a_damaged_state_is_said(damage, pictures, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(RuntimeError, match="enough"):
        fit(options(pictures), run, listener=OneEpoch())
    damage(run)
    with pytest.raises(TrainingError, match="saved state is damaged"):
        fit(options(pictures), run, resume=True)
    assert (run / "best.safetensors").exists()


class OneEpoch(TrainingListener):
    def stepped(self, epoch, step, loss):
        if epoch:
            raise RuntimeError("enough")


@pytest.mark.parametrize("content", [b"\xff\x00\xff", b"epoch,val_miou\nx,y\n", None])
def test_damaged_scores_are_written_again(content, pictures, tmp_path):
    run = tmp_path / "run"
    fit(options(pictures), run)
    wanted = rows_of(run)
    (run / "metrics.csv").unlink()
    if content is not None:
        (run / "metrics.csv").write_bytes(content)
    assert fit(options(pictures), run, resume=True).epochs == 2
    assert rows_of(run) == wanted


def test_a_run_of_an_earlier_version_is_read_resumed_and_overwritten(pictures, tmp_path):
    """The folder was written by an earlier version and interrupted after two of four epochs."""
    run = tmp_path / "run"
    shutil.copytree(INTERRUPTED_RUN, run)
    config = (run / "config.yaml").read_text().replace("/data", str(tmp_path))
    (run / "config.yaml").write_text(config)
    earlier = rows_of(run)
    assert len(earlier) == 2
    card = wsiseg.load_checkpoint(run / "best.safetensors").card
    assert (card.training["samples"], card.training["kept_back"]) == (3, 1)
    for name, count in (("learnt.txt", 3), ("kept.txt", 1)):
        listed = options(pictures).data.replace(only=run / name)
        assert len(open_data(listed).samples) == count
    same = TrainOptions.load(run / "config.yaml")
    heard = RecordingListener()
    assert fit(same, run, resume=True, listener=heard).epochs == 4
    assert rows_of(run)[:2] == earlier
    assert [row["epoch"] for row in heard.rows] == [3, 4]
    # The recipe weighted its cross-entropy then.
    weighted = same.replace(loss="cross-entropy+dice")
    assert fit(weighted, tmp_path / "whole").epochs == 4
    losses = [[float(row["train_loss"]) for row in rows_of(tmp_path / n)] for n in ("run", "whole")]
    assert losses[0][:2] == pytest.approx(losses[1][:2], abs=1e-3)
    assert fit(same.replace(epochs=1), run, overwrite=True).epochs == 1
    assert not any((run / name).exists() for name in ("learnt.txt", "kept.txt"))

"""What is typed for a training, and what is understood of what it says."""

import contextlib
import io
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tiny import tiny_checkpoint
from wsiseg.cli.events import EventTrainingListener, print_event
from wsiseg.errors import (
    ArgumentError,
    DataSetError,
    OutputExistsError,
    RuntimeUnavailableError,
    TrainingError,
)
from wsiseg.training.callbacks import COLUMNS
from wsiseg.viewer import fine_tuning
from wsiseg.viewer.fine_tuning import (
    FineTuning,
    TrainingProgress,
    command,
    describe_duration,
    describe_event,
    environment,
    prepare,
    prepare_resuming,
    read_event,
)


@pytest.fixture
def folders(tmp_path):
    """Three slides, of which two are annotated, and annotations of a slide that is not there."""
    empty = ("slides/a.svs", "slides/b.tiff", "slides/c.ndpi")
    for name in (*empty, "drawn/a.geojson", "drawn/c.geojson", "drawn/other.geojson"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / "slides", tmp_path / "drawn"


def wish(folders, **others):
    slides, drawn = folders
    return FineTuning(slides, drawn, slides.parent / "runs" / "one", **{"mpp": 0.5, **others})


def test_the_list_of_names_lies_beside_the_run(folders):
    wanted = wish(folders)
    prepare(wanted)
    assert wanted.names.read_text(encoding="utf-8") == "a\nc\n"
    assert wanted.names.parent == wanted.run.parent
    assert not wanted.run.exists()


def test_the_command_holds_what_was_asked_for(folders):
    words = prepare(
        wish(
            folders,
            slide_mpp=0.25,
            tiles=7,
            class_map="A=a",
            overwrite=True,
            extra_options=("--lr", "1"),
        )
    )
    slides, drawn = folders
    run = slides.parent / "runs" / "one"
    assert words[1:5] == ["-P", "-m", "wsiseg", "train"]
    assert words[5:] == [
        f"--slides={slides}",
        f"--annotations={drawn}",
        f"--only={run}.names.txt",
        "--mpp=0.5",
        "--slide-mpp=0.25",
        "--epochs=30",
        "--tiles=7",
        "--class-map=A=a",
        f"--output={run}",
        "--overwrite",
        "--events",
        "--lr",
        "1",
    ]


def test_the_command_runs_whatever_lies_in_the_working_folder(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    told = subprocess.run(
        command(["--help"]), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr


def test_the_resolution_is_the_checkpoints(folders, tmp_path):
    path = tmp_path / "tiny.safetensors"
    tiny_checkpoint(mpp=0.25).save(path)
    assert "--mpp=0.25" in prepare(wish(folders, init=path, mpp=None))


def test_the_resolution_is_that_of_painted_annotations_without_a_checkpoint(folders, mask_store):
    (folders[1] / "b.ome.zarr").symlink_to(mask_store)
    assert "--mpp=0.8" in prepare(wish(folders, mpp=None))


def test_without_any_resolution_one_has_to_be_typed(folders):
    with pytest.raises(ArgumentError, match="resolution"):
        prepare(wish(folders, mpp=None))


def test_missing_folders_and_annotations_are_told(folders, tmp_path):
    with pytest.raises(DataSetError, match="no such folder"):
        prepare(FineTuning(tmp_path / "nowhere", folders[1], tmp_path / "run"))
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "z.geojson").touch()
    with pytest.raises(DataSetError, match="annotation of the same name"):
        prepare(FineTuning(folders[0], tmp_path / "others", tmp_path / "run"))


def test_a_training_that_has_learnt_is_not_replaced(folders):
    wanted = wish(folders)
    wanted.run.mkdir(parents=True)
    (wanted.run / "config.yaml").touch()
    (wanted.run / "last.ckpt").touch()
    with pytest.raises(OutputExistsError, match="Resume it"):
        prepare(wanted)
    assert not wanted.names.exists()
    assert "--overwrite" in prepare(replace(wanted, overwrite=True))
    assert prepare_resuming(wanted.run)[5:] == ["--resume", f"--output={wanted.run}", "--events"]


def test_a_training_that_has_learnt_nothing_is_no_loss(folders):
    wanted = wish(folders)
    wanted.run.mkdir(parents=True)
    (wanted.run / "config.yaml").touch()
    assert "--overwrite" not in prepare(wanted)
    with pytest.raises(TrainingError, match="can be resumed"):
        prepare_resuming(wanted.run)


def test_nothing_can_be_resumed_where_nothing_stands(tmp_path):
    with pytest.raises(TrainingError, match="holds no run"):
        prepare_resuming(tmp_path)


def test_missing_packages_are_told(folders, monkeypatch):
    monkeypatch.setattr(fine_tuning, "NEEDED", ("lightning", "no_such_package"))
    with pytest.raises(
        RuntimeUnavailableError, match=r"no_such_package is not .*'wsiseg\[train\]'"
    ):
        prepare(wish(folders))


def test_the_environment_asks_for_plain_lines():
    own = environment({"PATH": "x", "FORCE_COLOR": "1"})
    assert own == {"PATH": "x", "PYTHONUTF8": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    assert environment({"OMP_WAIT_POLICY": "ACTIVE"})["OMP_WAIT_POLICY"] == "ACTIVE"


def events(tell, *, monkeypatch):
    """Return what `wsiseg train --events` prints."""
    monkeypatch.setattr("wsiseg.cli.events._PAUSE", -1.0)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        tell(EventTrainingListener())
    return [read_event(line) for line in said.getvalue().splitlines()]


def follow(happened):
    progress = [TrainingProgress()]
    for event in happened:
        progress.append(progress[-1].after(event))
    return progress


def test_what_happens_in_a_training_is_understood(monkeypatch):
    row = dict.fromkeys(COLUMNS)
    learnt = {"epoch": 2, "train_loss": 0.25, "val_miou": 0.75, "seconds": 9.0}

    def tell(listener):
        listener.began("checking labels")
        listener.advanced(1, 2)
        listener.warned("no validation")
        listener.expects(3, 10, 0.0)
        listener.stepped(0, 4, 0.5)
        listener.finished_epoch({**row, "epoch": 1, "train_loss": 0.5, "seconds": 4.0}, 0.0)
        listener.stepped(1, 7, 0.375)
        listener.finished_epoch({**row, **learnt}, 0.8)
        print_event("finished", checkpoint="run/best.safetensors", miou=0.8)

    happened = events(tell, monkeypatch=monkeypatch)
    seen = follow(happened)
    described = [progress.describe() for progress in seen]
    assert described == [
        "starting …",
        "checking labels …",
        "1/2 samples …",
        "1/2 samples …",
        "epoch 1 of 3",
        "epoch 1 of 3, loss 0.5000",
        "epoch 2 of 3, loss 0.5000",
        "epoch 2 of 3, loss 0.3750",
        "epoch 3 of 3, loss 0.2500, validation mean IoU 0.750 (best 0.800)",
        "epoch 3 of 3, loss 0.2500, validation mean IoU 0.750 (best 0.800)",
    ]
    assert "training mean IoU 0.750" in seen[-1].describe(scored="training")
    assert seen[-1].warnings == ("no validation",)
    assert [progress.done for progress in seen[4:]] == [0, 4, 10, 17, 20, 20]
    assert seen[-1].checkpoint == Path("run/best.safetensors")
    assert [line for event in happened if (line := describe_event(event)) is not None] == [
        "checking labels",
        "warning: no validation",
        "epoch 1: loss 0.5000",
        "epoch 2: loss 0.2500, mean IoU 0.7500",
    ]


def test_a_failed_training_says_why():
    event = {"event": "error", "what": "the loss is nan", "where": None, "hint": "Use less."}
    (_, after) = follow([event])
    assert after.error == "the loss is nan. Use less."


def test_a_loss_that_is_no_number_is_valid_json(monkeypatch):
    (event,) = events(lambda told: told.stepped(0, 1, float("nan")), monkeypatch=monkeypatch)
    assert event["loss"] is None
    assert "loss" not in follow([event])[-1].describe()


@pytest.mark.parametrize("line", ["", "epoch 1", "[1]", '{"checkpoint": "x"}', "null"])
def test_other_lines_are_no_events(line):
    assert read_event(line) is None


def test_time_left_counts_from_where_it_was_resumed():
    before = TrainingProgress(epochs=10, steps=10, epoch=4)
    assert before.seconds_left(before, 3.0) is None
    assert TrainingProgress(epochs=10, steps=10, epoch=5).seconds_left(before, 30.0) == 150.0
    assert TrainingProgress(epochs=10, steps=10, epoch=9).describe(89.0).endswith("1 min left")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "1 s"), (59, "59 s"), (200, "3 min"), (7500, "2 h 5 min")]
)
def test_durations_are_said_as_people_do(seconds, text):
    assert describe_duration(seconds) == text

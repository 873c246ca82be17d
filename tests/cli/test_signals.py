"""Signals end a command in order: a status that says which, no traceback, a word how to go on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import CLASS_MAP, write_pictures
from tiny import tiny_checkpoint
from wsiseg.cli.signals import Interruption

TESTS = Path(__file__).resolve().parents[1]


def signalled(stage, signals, *words):
    command = [sys.executable, TESTS / "signalled.py", stage, *signals.split(), "--", *words]
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        timeout=120,
    )


@pytest.mark.parametrize(
    ("stage", "signals", "status", "begun"),
    [
        ("planning", "SIGTERM SIGTERM SIGINT", 143, False),
        ("compiling", "SIGINT SIGINT SIGTERM", 130, False),
        ("image", "SIGTERM SIGINT", 143, True),
    ],
)
def test_a_segmentation_that_is_signalled_ends_in_order(tmp_path, stage, signals, status, begun):
    slides = [tmp_path / "first.png", tmp_path / "second.png"]
    for slide in slides:
        Image.fromarray(np.full((300, 200, 3), 90, np.uint8)).save(slide)
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    words = ("-c", checkpoint, "--level", 0, "--runtime", "torch", "--tissue", "none", "--json")
    out = tmp_path / "out"
    ended = signalled(stage, signals, "segment", *slides, "-o", out, *words, "--with-image")
    assert ended.returncode == status, ended.stderr
    assert "Traceback" not in ended.stderr
    name = "" if status == 130 else " by SIGTERM"
    hint = "Continue with --resume." if begun else ""
    assert ended.stderr.splitlines()[-1] == f"error: interrupted{name}. {hint}".strip()
    (told,) = json.loads(ended.stdout)["slides"]
    assert (told["status"], told["error"]) == ("interrupted", f"interrupted. {hint}".strip())
    (kept,) = json.loads((out / "batch.json").read_text())["slides"]
    assert kept["status"] == "interrupted"
    left = {"batch.json", "cohort.csv"} | ({"first.journal", "first.ome.zarr"} if begun else set())
    assert {path.name for path in out.iterdir()} == left


@pytest.mark.skipif(
    not hasattr(signal, "SIGUSR2"),
    reason="SIGUSR2 stands in for Windows' Control-Break, which Windows itself does not need",
)
def test_control_break_of_windows_ends_the_program_in_order(monkeypatch):
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR2, raising=False)
    interruption = Interruption()
    interruption.listen()
    try:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGUSR2)
        assert interruption.status == 128 + signal.SIGUSR2
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.long
def test_a_training_that_is_signalled_goes_on_after_its_last_epoch(tmp_path):
    images, labels = write_pictures(tmp_path, 3)
    words = ("--images", images, "--labels", labels, "--class-map", CLASS_MAP, "--epochs", 60)
    small = ("--set", "alpha2=1", "--set", "alpha3=1", "--batch", 2, "--workers", 0)
    run = tmp_path / "run"
    ended = signalled("training", "SIGTERM SIGTERM SIGINT", "train", *words, *small, "-o", run)
    assert ended.returncode == 143, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.endswith("error: interrupted by SIGTERM. Continue with --resume.\n")
    assert (run / "last.ckpt").exists()
    assert not (run / "train.lock").exists()


PATIENT = """
import atexit, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from wsiseg.cli import main
stage = sys.argv.pop(1)
class Ends:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
sys.last = Ends()
atexit.register(os.kill, os.getpid(), signal.SIGINT)
class Signal:
    def find_spec(self, name, *_):
        if name == stage:
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Signal())
main()
"""


@pytest.mark.parametrize("stage", ["wsiseg.cli.app", pytest.param("zarr", marks=pytest.mark.long)])
@pytest.mark.parametrize("form", ["--json", "--events"])
def test_what_is_signalled_while_it_loads_ends_with_a_document(tmp_path, stage, form):
    words = ["segment", tmp_path / "slide.svs", "-o", tmp_path / "out", form]
    if form == "--events":
        words = ["train", "--dataset", "camvid", "--root", tmp_path, "-o", tmp_path / "out", form]
    command = [sys.executable, "-c", PATIENT, stage, *words]
    ended = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.stderr == "error: interrupted by SIGTERM.\n"
    assert ended.returncode == 143
    told = json.loads(ended.stdout)
    error = told["error"] if form == "--json" else told
    assert (error["what"], error["status"]) == ("interrupted by SIGTERM", 143)

"""The examples run."""

import subprocess
import sys
from pathlib import Path

import wsiseg

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def test_the_demonstration_checkpoint_can_be_trained(data, tmp_path):
    target = tmp_path / "trained.safetensors"
    command = [sys.executable, EXAMPLES / "train_demo_checkpoint.py", data / "breast_ynet"]
    run = subprocess.run(
        [*map(str, command), "-o", str(target), "--steps", "2"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pixel_accuracy" in run.stdout
    assert wsiseg.load_checkpoint(target).card.training["steps"] == 2

"""The examples run."""

import subprocess
import sys
from pathlib import Path

import wsiseg

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def test_the_demonstration_checkpoint_can_be_trained(data, tmp_path):
    target = tmp_path / "trained.safetensors"
    command = [sys.executable, EXAMPLES / "train_demo_checkpoint.py", data / "breast_ynet"]
    subprocess.run(
        [*map(str, command), "-o", str(target), "--epochs", "1", "--tiles", "8"], check=True
    )
    checkpoint = wsiseg.load_checkpoint(target)
    assert checkpoint.mpp == 0.5
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "no medical device" in card
    assert f"| pixel accuracy | {checkpoint.card.metrics['val_pixel_accuracy']:.3f} |" in card

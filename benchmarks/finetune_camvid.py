"""Fine-tune ESPNet from its Cityscapes weights on CamVid, and score it on the validation part.

python benchmarks/finetune_camvid.py --weights espnet_p_2_q_8.pth --root CamVid
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from wsiseg.cli.training_progress import ConsoleTrainingListener, describe_scores
from wsiseg.models.checkpoint import load_checkpoint
from wsiseg.models.importing import import_checkpoint
from wsiseg.training import DataOptions, TrainOptions, fit, open_data
from wsiseg.training.evaluating import score

WANTED = 0.55


def main() -> None:
    """Train, score, and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, help="keep the training here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        init = import_checkpoint(arguments.weights, "espnet", "cityscapes").save(
            Path(name) / "streets.safetensors"
        )
        data = DataOptions(dataset="camvid", root=arguments.root)
        options = TrainOptions(
            data=data,
            init=init,
            epochs=arguments.epochs,
            batch=4,
            lr=2e-3,
            val_every=5,
            threads=arguments.threads,
        )
        folder = arguments.output or Path(name) / "run"
        result = fit(options, folder, overwrite=True, listener=ConsoleTrainingListener(quiet=False))
        samples = open_data(data, validation=True)
        scores = score(load_checkpoint(result.checkpoint), samples)
    print(describe_scores(scores))
    print(
        f"\n{result.seconds / 60:.1f} minutes on {arguments.threads} threads, "
        f"mean IoU {scores['miou']:.4f} on {scores['images']} frames (at least {WANTED} wanted)"
    )


if __name__ == "__main__":
    main()

"""Score the ESPNet weights that its authors published for CamVid, beside what they published.

    python benchmarks/published_camvid.py --weights espnet_p_2_q_8_camvid.pth --root CamVid

``--root`` is a folder in the layout of the SegNet tutorial; parts that it lacks are left out, and
where it holds fewer frames than the whole part, the scores are near the published ones only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from wsiseg.errors import DataSetError
from wsiseg.models.importing import import_checkpoint
from wsiseg.training import DataOptions, EvaluateOptions, open_data
from wsiseg.training.evaluating import score

WHOLE_PART = {"val": (101, 0.701), "test": (233, 0.5717)}
"""Frames and mean IoU of the parts."""


def main() -> None:
    """Score every part that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    arguments = parser.parse_args()
    checkpoint = import_checkpoint(arguments.weights, "espnet", "camvid")
    for split, (frames, published) in WHOLE_PART.items():
        data = DataOptions(dataset="camvid", root=arguments.root, split=split)
        try:
            samples = open_data(data)
        except DataSetError as error:
            print(f"{split}: {error}")
            continue
        scores = score(checkpoint, samples, EvaluateOptions(boundary=False))
        print(
            f"{split}: mean IoU {scores['miou']:.4f}, pixels {scores['pixel_accuracy']:.4f} on "
            f"{scores['images']} of {frames} frames; mean IoU {published:.4f} on all of them"
        )


if __name__ == "__main__":
    main()

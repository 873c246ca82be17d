"""Speed and exactness beside MONAI's sliding window, on one slide with the same weights.

A 4096×4096 slide (scikit-image's tissue picture in random quarter turns) is segmented by
MONAI's ``sliding_window_inference`` (Gaussian, tile 512, overlap 128) and by wsiseg, in turn, some
rounds of each; the best round counts.  MONAI is given the pixels in memory; wsiseg reads the slide
from its file and writes the mask.  Agreement is the share of pixels labelled as by the network on
the whole slide at once.  Both have the network ready before the clock starts; what making it ready
costs wsiseg is printed beside.

    pip install 'wsiseg[all,bench]'
    python benchmarks/against_monai.py [--checkpoint FILE] [--threads 2] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.inferers import sliding_window_inference

import wsiseg
from wsiseg.demo import DEFAULT
from wsiseg.demo.slide import build_demo_slide
from wsiseg.models import Checkpoint
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.segmenting import make_predictor, segment_slide
from wsiseg.tiling import Box
from wsiseg.tiling.slides import Slide

EDGE = 4096
TARGET_RATIO, TARGET_SHARE = 4.0, 0.92


@dataclass
class Round:
    """One side's run: its labels and what it took."""

    labels: np.ndarray
    seconds: float
    forward_seconds: float = 0.0
    setup_seconds: float = 0.0


def run_monai(checkpoint: Checkpoint, pixels: np.ndarray) -> Round:
    """Segment pixels that are already in memory."""
    start = time.perf_counter()
    with torch.inference_mode():
        logits = sliding_window_inference(
            checkpoint.preprocess(torch.from_numpy(pixels)[None]),
            roi_size=(512, 512),
            sw_batch_size=4,
            predictor=checkpoint.network,
            overlap=128 / 512,
            mode="gaussian",
        )
        labels = logits.argmax(dim=1)[0].to(torch.uint8).numpy()
    return Round(labels, time.perf_counter() - start)


def run_wsiseg(slide: Slide, predictor: object, options: SegmentOptions, folder: Path) -> Round:
    """Segment a slide from its file to a finished mask on disk."""
    start = time.perf_counter()
    result = segment_slide(slide, predictor, folder, options, Listener())  # type: ignore[arg-type]
    seconds = time.perf_counter() - start
    run = json.loads((folder / f"{slide.name}.run.json").read_text())
    return Round(
        np.asarray(result.labels[:]),
        seconds,
        run["summary"]["forward_seconds"],
        run["setup_seconds"],
    )


def label_whole(checkpoint: Checkpoint, pixels: np.ndarray) -> np.ndarray:
    """Label all pixels at once, which is what tiles are to come near to."""
    with torch.inference_mode():
        logits = checkpoint.network(checkpoint.preprocess(torch.from_numpy(pixels)[None]))
        return logits.argmax(dim=1)[0].to(torch.uint8).numpy()


def main() -> None:
    """Run both sides in turn and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-c", "--checkpoint", default=DEFAULT)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    checkpoint = wsiseg.load_checkpoint(arguments.checkpoint)
    options = SegmentOptions(level=0, tissue="none", overwrite=True, threads=arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with wsiseg.open_slide(build_demo_slide(folder / "bench.tiff", EDGE, EDGE)) as slide:
            pixels = slide.read_region(0, Box(0, 0, EDGE, EDGE))
            predictor = make_predictor(checkpoint, options)
            setup = run_wsiseg(slide, predictor, options, folder).setup_seconds
            theirs, ours = [], []
            for _ in range(arguments.rounds):
                theirs.append(run_monai(checkpoint, pixels))
                ours.append(run_wsiseg(slide, predictor, options, folder))
    print(f"{checkpoint.card.architecture}, {len(checkpoint.classes)} classes, {EDGE}×{EDGE}")
    report(label_whole(checkpoint, pixels), theirs, ours)
    print(f"making the network ready took {setup:.2f} s once, outside these figures")


def report(whole: np.ndarray, theirs: list[Round], ours: list[Round]) -> None:
    """Print what was measured and what was aimed at."""
    their, our = (min(side, key=lambda r: r.seconds) for side in (theirs, ours))
    share = max(r.forward_seconds / r.seconds for r in ours)
    their_match, our_match = (float((r.labels == whole).mean()) for r in (their, our))
    megapixels = EDGE * EDGE / 1e6
    ratio = their.seconds / our.seconds
    print(f"MONAI    {megapixels / their.seconds:6.2f} Mpx/s   agreement {their_match:.4f}")
    print(f"wsiseg   {megapixels / our.seconds:6.2f} Mpx/s   agreement {our_match:.4f}")
    print(f"ratio    {ratio:6.2f}           aimed at {TARGET_RATIO} or more")
    print(f"in the runtime {share:.3f} of the run, aimed at {TARGET_SHARE} or more")
    print(f"agreement no lower than MONAI's: {our_match >= their_match}")


if __name__ == "__main__":
    main()

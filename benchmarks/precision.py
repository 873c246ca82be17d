"""Speed and labels of fp32, bf16, fp16 and int8, beside each other in one process.

A network labels a tile of the packaged slide in each precision in turn, round after round, so that
all meet the same machine; ratios are of medians.  Labels are compared on squares of tissue that
int8 was not calibrated on.  Without a checkpoint it is `nuclei`; architectures have fresh weights,
whose labels hang by a thread and say little, but which cost what trained ones do.

    python benchmarks/precision.py [-c CKPT] [--architecture NAME …] [--tile 1024] [--threads 2]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import numpy as np
import torch

from wsiseg.checkpoints import take_checkpoint
from wsiseg.classes import numbered_classes
from wsiseg.demo.sections import TISSUE
from wsiseg.demo.tissue import tissue_tiles
from wsiseg.errors import WsisegError
from wsiseg.models import create_model
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.folding import fold
from wsiseg.models.quantised import Int8Form
from wsiseg.models.quantising import quantise
from wsiseg.models.runtimes import RUNTIMES, Runtime, choose_runtime
from wsiseg.models.tile_network import TileNetwork
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.quantising import read_calibration_tiles

ROUNDS = 7
CLASSES = 5


def fresh(name: str) -> Checkpoint:
    """Return a checkpoint with weights that have learnt nothing."""
    torch.manual_seed(0)
    entries = tuple(ClassEntry(name=c.name, colour=c.colour) for c in numbered_classes(CLASSES))
    card = CheckpointCard(architecture=name, classes=entries, mpp=0.5)
    return Checkpoint(card, create_model(name, CLASSES))


def compile_all(
    checkpoint: Checkpoint, form: Int8Form | None, tile: tuple[int, int], threads: int
) -> dict[str, Runtime]:
    """Return what runs the network on a tile, by precision."""
    folded, normalisation = fold(checkpoint.network), checkpoint.card.normalisation
    network = TileNetwork(folded, normalisation, ("labels",), form).eval()
    return {
        precision: choose_runtime("openvino", "cpu", precision, threads).compile(network, tile, 1)
        for precision in ("fp32", *RUNTIMES["openvino"].fast_precisions("cpu"))
        if precision != "int8" or form is not None
    }


def measure(name: str, checkpoint: Checkpoint, options: argparse.Namespace) -> None:
    """Print a row of the table per precision."""
    squares = read_calibration_tiles([TISSUE], checkpoint, SegmentOptions())
    form = None
    try:
        form = quantise(
            checkpoint, squares, min_agreement=options.min_agreement, threads=options.threads
        )
    except WsisegError as error:
        print(f"  int8: {error}")
    edge = squares.checking.shape[1]
    labels = {
        precision: np.concatenate([runtime.run(tile[None])["labels"] for tile in squares.checking])
        for precision, runtime in compile_all(
            checkpoint, form, (edge, edge), options.threads
        ).items()
    }
    runtimes = compile_all(checkpoint, form, (options.tile, options.tile), options.threads)
    tile = tissue_tiles(options.tile)
    seconds: dict[str, list[float]] = {precision: [] for precision in runtimes}
    for number in range(ROUNDS + 1):
        for precision, runtime in runtimes.items():
            start = time.perf_counter()
            runtime.run(tile)
            if number:
                seconds[precision].append(time.perf_counter() - start)
    slow = statistics.median(seconds["fp32"])
    for precision, taken in seconds.items():
        median = statistics.median(taken)
        agreement = (labels[precision] == labels["fp32"]).mean()
        kept = f", {form.note.kept} layers in fp32" if precision == "int8" and form else ""
        print(
            f"| {name} | {precision} | {options.tile**2 / 1e6 / median:.2f} | "
            f"{slow / median:.2f} | {agreement:.2%}{kept} |",
            flush=True,
        )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("-c", "--checkpoint", action="append", default=[])
    parser.add_argument("--architecture", action="append", default=[])
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--min-agreement", type=float, default=0.99)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads, OpenVINO")
    print("| network | precision | Mpx/s | times fp32 | labels as in fp32 |")
    print("|---|---|---|---|---|")
    wanted = options.checkpoint or ["nuclei"] * (not options.architecture)
    for name in wanted:
        measure(name, take_checkpoint(name), options)
    # Labels of fresh weights agree by chance, so nothing is asked of them.
    options.min_agreement = 1e-6
    for name in options.architecture:
        measure(name, fresh(name), options)


if __name__ == "__main__":
    main()

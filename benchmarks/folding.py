"""Networks as they are trained and folded, under both runtimes.

Both forms run in turn, and the best of each counts: the clock of a shared machine tells other
people's work as well, so it is the time of this process's threads that is taken.

    python benchmarks/folding.py [NAME …] [--edge 512] [--rounds 7] [--threads 1]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from wsiseg.models import create_model
from wsiseg.models.folding import fold
from wsiseg.models.normalisation import IMAGENET
from wsiseg.models.runtimes import Runtime, choose_runtime, installed_runtimes
from wsiseg.models.tile_network import TileNetwork

NAMES = ("espnet", "espnetv2", "enet", "erfnet", "cgnet", "dabnet", "fast-scnn", "bisenetv2")
NAMES += ("stdc1", "ddrnet23-slim", "pidnet-s", "rdrnet-s-simple")


def main() -> None:
    """Print how many times as fast each network is once it is folded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    shape = (arguments.edge, arguments.edge)
    tile = np.random.default_rng(0).integers(0, 256, (1, *shape, 3), dtype=np.uint8)
    for name in arguments.names:
        torch.manual_seed(0)
        network = create_model(name, 8).eval()
        forms = [TileNetwork(form, IMAGENET).eval() for form in (network, fold(network))]
        for runtime in installed_runtimes():
            choice = choose_runtime(runtime, "cpu", "fp32", arguments.threads)
            started = [choice.compile(form, shape, 1) for form in forms]
            plain, folded = compare(started, tile, arguments.rounds)
            print(f"{name:16}{runtime:10}{plain:8.3f} s{folded:8.3f} s{plain / folded:7.2f}")


def compare(runtimes: list[Runtime], tile: np.ndarray, rounds: int) -> list[float]:
    """Return the least seconds that each takes, after one run to warm up."""
    best = [float("inf")] * len(runtimes)
    for runtime in runtimes:
        runtime.run(tile)
    for _ in range(rounds):
        for index, runtime in enumerate(runtimes):
            before = time.process_time()
            runtime.run(tile)
            best[index] = min(best[index], time.process_time() - before)
    return best


if __name__ == "__main__":
    main()

"""Time of whole processes that segment a small slide, cold and warm, against the network's own.

Cold means a cache folder that is empty, warm the one that the cold run has left.  Every run is a
process of its own, all kinds take turns, and the threads are fixed.  With ``--beside`` another
installation's Python takes its turns, too, to compare two versions in one run.

    python benchmarks/start_up.py [--rounds 5] [--threads 2] [--beside OTHER/.venv/bin/python]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from wsiseg.demo.sections import TISSUE


@dataclass(frozen=True)
class Took:
    """What one process took.

    Attributes
    ----------
    wall, processor : float
        Seconds by the clock, and of all threads.
    forward : float
        Seconds inside the runtime; 0 where no slide was segmented.
    """

    wall: float
    processor: float
    forward: float = 0.0


def timed(python: str, words: list[str], cache: Path) -> Took:
    """Run the command line in a process of its own."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    begin = time.perf_counter()
    process = subprocess.Popen(
        [python, "-m", "wsiseg", *words, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        # From a clone, Python would take the sources that lie there.
        cwd=cache.parent,
    )
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{' '.join(words)}: {text.decode()}")
    content = json.loads(text)
    forward = content["slides"][0]["forward_seconds"] if "slides" in content else 0.0
    return Took(wall, used.ru_utime + used.ru_stime, forward)


def one_round(python: str, arguments: argparse.Namespace, taken: dict[str, list[Took]]) -> None:
    """Run everything once, each thing cold and then warm."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for runtime in arguments.runtimes:
            words = [
                "segment",
                str(arguments.slide.absolute()),
                "-o",
                str(folder / "out"),
                "--overwrite",
            ]
            words += ["--runtime", runtime, "--threads", str(arguments.threads), "--quiet"]
            for kind in ("cold", "warm"):
                taken[f"segment, {runtime}, {kind}"].append(timed(python, words, folder / runtime))
        for kind in ("cold", "warm"):
            took = timed(python, ["models", "list"], folder / "list")
            taken[f"models list, {kind}"].append(took)


def show(taken: dict[str, list[Took]]) -> None:
    """Print the medians."""
    print(f"{'':32}{'wall s':>8}{'cpu s':>8}{'forward s':>11}{'wall / forward':>16}")
    for what, runs in taken.items():
        wall, processor, forward = (
            statistics.median(getattr(run, field) for run in runs)
            for field in ("wall", "processor", "forward")
        )
        line = f"{what:32}{wall:8.2f}{processor:8.2f}"
        if forward:
            ratio = statistics.median(run.wall / run.forward for run in runs)
            line += f"{forward:11.2f}{ratio:16.2f}"
        print(line)


def main() -> None:
    """Measure, and print the medians of all rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slide", type=Path, default=TISSUE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtimes", nargs="+", default=["openvino", "onnx"])
    parser.add_argument("--beside", help="Python of another installation")
    arguments = parser.parse_args()
    sides = {"": sys.executable} | ({"beside: ": arguments.beside} if arguments.beside else {})
    taken: dict[str, list[Took]] = defaultdict(list)
    for _ in range(arguments.rounds):
        for side, python in sides.items():
            runs: dict[str, list[Took]] = defaultdict(list)
            one_round(python, arguments, runs)
            for what, took in runs.items():
                taken[side + what] += took
    show(taken)


if __name__ == "__main__":
    main()

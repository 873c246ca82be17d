"""Interrupts a run in each of its stages, measures how long it takes to end, and goes on.

Whole processes segment a demonstration slide with everything that a run can leave: image,
probabilities, uncertainty, holes filled.  SIGTERM and SIGINT come a random time after a stage has
begun.  Each run has to end within five seconds with 143 or 130 and say how to go on, if there is
something to go on with; gone on with, it has to leave the bytes of an undisturbed run.

    python benchmarks/signals.py [--height 4000] [--width 5000] [--rounds 1] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from run_output import describe

from wsiseg.demo.slide import build_demo_slide

NAME = "tall"
LONGEST = 5.0
OPTIONS = (
    *("--with-image", "--probabilities", "--uncertainty", "entropy", "--fill-holes", "50um2"),
    *("--tissue", "none", "--quiet", "--resume"),
)

STAGES: dict[str, Callable[[Path], bool]] = {
    "planning": lambda out: (out / f"{NAME}.lock").exists(),
    "bands": lambda out: _lines(out / f"{NAME}.journal") >= 2,
    "refining": lambda out: (out / f"{NAME}.ome.zarr/labels/segmentation/0/c/0/0").exists(),
    "companions": lambda out: (out / f"{NAME}.probabilities.ome.zarr/1/c").exists(),
    "pyramid": lambda out: (out / f"{NAME}.ome.zarr/labels/segmentation/1/c").exists(),
    "image": lambda out: (out / f"{NAME}.ome.zarr/0/c").exists(),
    "image's pyramid": lambda out: (out / f"{NAME}.ome.zarr/1/c").exists(),
}
"""The stages in their order, and what tells that each has begun."""


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def start(slide: Path, output: Path) -> subprocess.Popen[str]:
    """Start the command line."""
    words = [sys.executable, "-m", "wsiseg", "segment", str(slide), "-o", str(output), *OPTIONS]
    return subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def interrupt(slide: Path, output: Path, stage: str, number: int, delay: float) -> str | None:
    """Interrupt a run in a stage, print how long it takes to end, and return what is wrong."""
    run = start(slide, output)
    while run.poll() is None and not STAGES[stage](output):
        time.sleep(0.002)
    time.sleep(delay)
    if run.poll() is not None:
        return "it has ended before"
    run.send_signal(number)
    begun = time.perf_counter()
    _, told = run.communicate()
    seconds = time.perf_counter() - begun
    name = signal.Signals(number).name
    left = (output / f"{NAME}.journal").exists()
    print(
        f"  {stage:16} {name} after {delay:4.2f} s: {run.returncode}, {seconds:5.2f} s", flush=True
    )
    last = told.splitlines()[-1] if told else ""
    if run.returncode != 128 + number:
        return f"status {run.returncode}: {told[-300:]}"
    if seconds > LONGEST:
        return f"it took {seconds:.1f} s to end"
    if "Traceback" in told or left != ("--resume" in last):
        return f"it says {last!r}"
    return None


def main() -> None:
    """Interrupt in every stage, go on, compare; exit with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=4_000)
    parser.add_argument("--width", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance, wrong = random.Random(arguments.seed), []
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = str(Path(name, "cache"))
        slide = build_demo_slide(Path(name, f"{NAME}.tiff"), arguments.height, arguments.width)
        whole, output = Path(name, "whole"), Path(name, "out")
        for _ in range(2):
            shutil.rmtree(whole, ignore_errors=True)
            begun = time.perf_counter()
            start(slide, whole).communicate()
        print(f"undisturbed: {time.perf_counter() - begun:.1f} s", flush=True)
        expected = describe(whole)
        for _ in range(arguments.rounds):
            for stage in arguments.stages:
                for number in (signal.SIGTERM, signal.SIGINT):
                    shutil.rmtree(output, ignore_errors=True)
                    delay = chance.uniform(0, 0.3)
                    found = interrupt(slide, output, stage, number, delay)
                    start(slide, output).communicate()
                    left = describe(output)
                    other = [n for n in expected | left if expected.get(n) != left.get(n)]
                    if found is None and other:
                        found = f"gone on with, these are others, missing or stray: {other}"
                    if found is not None:
                        wrong.append(f"{stage}, {signal.Signals(number).name}: {found}")
    print(f"wrong: {len(wrong)}")
    for line in wrong:
        print(f"  {line}")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()

"""Kills workers of a local cluster while they segment a slide, and compares every byte.

Three workers fill the bands of one tall slide.  At a random tile, and a random moment after it, one
of them is killed, again and again, until the slide is done; then the same from the start, with
another seed, until there were enough kills.  After each run it looks whether every file of every
store is bit for bit that of a run in one process, whether a kill made more than one band be done
again that stood on the disk, and whether anything is left that does not belong there.

    python benchmarks/cluster_kills.py [--kills 20] [--workers 3] [--bands 20] [--seed 1]

Exit status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

import wsiseg
from wsiseg.cluster import Cluster, open_cluster
from wsiseg.demo.sections import TISSUE
from wsiseg.segmentation.listener import Listener
from wsiseg.store.arrays import BAND_HEIGHT
from wsiseg.tiling import Box

SETTINGS = {"runtime": "openvino", "level": 0, "tissue": "none", "tile": 256, "halo": 32}


class Killer(Listener):
    """Kills a worker at random tiles.

    Parameters
    ----------
    cluster : Cluster
        Of local processes.
    dice : random.Random
        Chooses when and whom.
    gap : int
        Tiles between two kills, in the mean.
    most : int
        Kills at most.
    """

    def __init__(self, cluster: Cluster, dice: random.Random, gap: int, most: int) -> None:
        self.kills = 0
        self._cluster, self._dice, self._gap, self._most = cluster, dice, gap, most
        self._left = dice.randint(2, gap)
        self._threads: list[threading.Thread] = []

    def advanced(self, pixels: int) -> None:
        """Count a tile, and kill a worker when it is time."""
        self._left -= 1
        if self._left > 0 or self.kills == self._most:
            return
        self._left = self._dice.randint(self._gap // 2, self._gap * 3 // 2)
        self.kills += 1
        thread = threading.Thread(target=self._kill, args=(self._dice.uniform(0, 0.3),))
        thread.start()
        self._threads.append(thread)

    def _kill(self, delay: float) -> None:
        time.sleep(delay)
        pids = self._cluster.worker_pids()
        if pids:
            os.kill(self._dice.choice(sorted(pids.values())), signal.SIGKILL)

    def join(self) -> None:
        """Wait for kills that are on their way."""
        for thread in self._threads:
            thread.join()


def make_slide(folder: Path, bands: int) -> Path:
    """Write a slide of real tissue, one shard wide and many bands high."""
    with wsiseg.open_slide(TISSUE) as slide:
        strip = slide.read_region(0, Box(0, 700, 2800, 512))
    height = bands * BAND_HEIGHT - 300
    turns = -(-height // len(strip))
    tall = np.concatenate([np.roll(strip, 97 * turn, axis=1) for turn in range(turns)])
    path = folder / "tall.png"
    Image.fromarray(tall[:height]).save(path, compress_level=1)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder but for those that tell of time."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if not path.name.endswith((".run.json", ".tiles.csv"))
    }


def names(folder: Path) -> set[str]:
    """Return the names of all files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def main() -> None:
    """Kill, compare, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--bands", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    dice = random.Random(chosen.seed)
    kills, bad, runs = 0, 0, 0
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        slide = make_slide(folder, chosen.bands)
        for blend in ("crop", "gaussian"):
            wsiseg.segment(slide, output=folder / blend, blend=blend, **SETTINGS)
        cluster = stack.enter_context(open_cluster(workers=chosen.workers))
        while kills < chosen.kills:
            blend = ("crop", "gaussian")[runs % 2]
            out = folder / f"run{runs}"
            killer = Killer(cluster, dice, chosen.bands, min(4, chosen.kills - kills))
            wsiseg.segment(
                slide, output=out, blend=blend, listener=killer, cluster=cluster, **SETTINGS
            )
            killer.join()
            kills, runs = kills + killer.kills, runs + 1
            bad += judge(folder / blend, out, killer.kills, f"run {runs}, {blend}")
    print(f"{kills} kills in {runs} runs: {f'{bad} differ' if bad else 'all as without kills'}")
    sys.exit(bool(bad))


def judge(expected: Path, found: Path, kills: int, what: str) -> int:
    """Print what is to be said of a run, and return how many things are wrong."""
    before, now = contents(expected), contents(found)
    other = sorted(path for path in before if now.get(path) != before[path])
    stray = sorted(names(found) ^ names(expected))
    run = json.loads((found / "tall.run.json").read_text(encoding="utf-8"))
    redone = [worker["discarded_bands"] for worker in run["workers"] if worker["lost"]]
    tiles = (found / "tall.tiles.csv").read_text(encoding="utf-8").splitlines()
    same = len(tiles) == len((expected / "tall.tiles.csv").read_text().splitlines())
    most = max(redone, default=0)
    print(
        f"{what}: {kills} kills, {len(redone)} workers lost at work, at most "
        f"{most} finished bands done again, {len(other)} files differ, {len(stray)} stray"
    )
    for path in (*other[:5], *stray[:5]):
        print(f"  {path}")
    return len(other) + len(stray) + (most > 1) + (not same)


if __name__ == "__main__":
    main()

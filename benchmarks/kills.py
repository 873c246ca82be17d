"""Kills a run again and again, resumes it, and compares what is left with an undisturbed run.

Each run is a process of its own that runs the command line; it is forked from one that has
imported everything, so that many kills take little time.  A run is killed with SIGKILL after a
random time, or with ``--events`` before the n-th time that it changes something in the output
folder, for every n.  Every fourth run that goes on is killed once more.  After the last resume:

* every file of every store has the same bytes, and no file is missing or stray;
* the bands that the journal had recorded were not written again;
* at most one band had been begun on the disk without a record, which is what is done again.

    python benchmarks/kills.py [--kills 200] [--events] [--seed 0]

POSIX only, as it forks.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import mmap
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from run_output import BAND, NAME, describe, recorded_bands, shards

HEIGHT, WIDTH = 5_200, 96
IMPORTED = (
    *("torch", "torch.utils.data", "zarr", "tifffile", "imagecodecs", "imagecodecs._zlib"),
    *("safetensors.torch", "numpy.random", "numcodecs", "wsiseg.cli.app", "wsiseg.cli.segment"),
    *("wsiseg.cli.progress", "wsiseg.demo", "wsiseg.demo.sections", "wsiseg.models.budget"),
    *("wsiseg.models.folding", "wsiseg.models.networks.espnet_c", "wsiseg.models.runtimes.torch"),
    *("wsiseg.segmentation.batch", "wsiseg.store.images", "wsiseg.tiling.slides.omezarr"),
)
"""What a run imports; what is missing here costs every run some time."""

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}
"""Audit events by which a program changes a folder, beside opening a file for writing."""

OPTIONS = (
    *("--level", "0", "--tissue", "none", "--tile", "512", "--halo", "16", "--runtime", "torch"),
    *("--threads", "1", "--readers", "1", "--with-image", "--probabilities"),
    *("--uncertainty", "entropy", "--quiet", "--json", "--resume"),
)


@dataclass
class Outcome:
    """What became of the kills.

    Attributes
    ----------
    killed : dict of str to int
        Number of kills by the stage in which they came.
    begun, lost : list of int
        Per kill: bands on the disk without a record, and recorded bands that were written again.
    wrong : list of str
        What differed from the undisturbed run.
    """

    killed: dict[str, int] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Runs:
    """Runs of the command line on one slide.

    Parameters
    ----------
    folder : Path
        Gets the slide, the checkpoint and the outputs.
    height : int
        Of the slide, in pixels.
    """

    def __init__(self, folder: Path, height: int = HEIGHT) -> None:
        self.folder, self.bands = folder, -(-height // BAND)
        self._told = os.memfd_create("told")
        self._counted = mmap.mmap(-1, 8)
        self.slide = folder / f"{NAME}.tiff"
        self.checkpoint = folder / "small.safetensors"
        # What a run imports is imported once, without threads being started here.
        for name in IMPORTED:
            importlib.import_module(name)
        # Else every child's collector would touch, and so copy, all that is shared.
        gc.collect()
        gc.freeze()
        self._in_child(lambda: _write_slide(self.slide, height))
        self._in_child(lambda: _write_checkpoint(self.checkpoint))
        # The first one keeps what the others need not compute again.
        self.whole = folder / "whole"
        if self.stop_at(self.whole, 0):
            raise RuntimeError(self.told)
        self.changes = int.from_bytes(self._counted, "little")
        self.expected = describe(self.whole)

    def run(self, output: Path) -> None:
        """Run the command line in this process, and end it; to be called in a child."""
        from wsiseg.cli import main

        words = ["segment", str(self.slide), "-o", str(output), "-c", str(self.checkpoint)]
        try:
            main([*words, *OPTIONS])
        except SystemExit as end:
            os._exit(int(end.code or 0))

    def measure(self) -> float:
        """Return how many seconds an undisturbed run takes."""
        begun = time.perf_counter()
        self.finish(self.folder / "measured")
        return time.perf_counter() - begun

    def _in_child(self, work: Callable[[], None]) -> int:
        return os.waitpid(self._fork(work), 0)[1]

    def _fork(self, work: Callable[[], None]) -> int:
        assert threading.active_count() == 1
        number = os.fork()
        if number:
            return number
        # Whatever happens, the child does not go on as its parent.
        try:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.ftruncate(self._told, 0)
            os.lseek(self._told, 0, os.SEEK_SET)
            os.dup2(nothing, 1)
            os.dup2(self._told, 2)
            work()
            os._exit(0)
        except BaseException as error:  # noqa: BLE001
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(99)

    def kill_after(self, output: Path, seconds: float) -> bool:
        """Run, and kill after so many seconds; return whether it was still running."""
        number = self._fork(lambda: self.run(output))
        time.sleep(seconds)
        os.kill(number, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(number, 0)[1])

    def stop_at(self, output: Path, event: int, number: int = signal.SIGKILL) -> int:
        """Run, send a signal before the n-th change of the output, and return the exit status.

        Changes are counted from 1.
        """

        def work() -> None:
            self._hear_changes(output, event, number)
            self.run(output)

        return self.status_of(output, work)

    def _hear_changes(self, output: Path, event: int, number: int) -> None:
        """Count the changes in a folder, and send this process a signal before one of them."""
        inside, count = str(output), 0

        def hear(name: str, arguments: tuple[object, ...]) -> None:
            nonlocal count
            changing = name in CHANGES or (name == "open" and _is_for_writing(*arguments[1:]))
            if changing and str(arguments[0]).startswith(inside):
                count += 1
                self._counted[:] = count.to_bytes(8, "little")
                if count == event:
                    os.kill(os.getpid(), number)

        sys.addaudithook(hear)

    def finish(self, output: Path) -> None:
        """Run to the end."""
        status = self.status_of(output)
        if status:
            msg = f"status {status}: {self.told}"
            raise RuntimeError(msg)

    def status_of(self, output: Path, work: Callable[[], None] | None = None) -> int:
        """Run to the end, in a way of its own if one is given; return the exit status."""
        return os.waitstatus_to_exitcode(self._in_child(work or (lambda: self.run(output))))

    @property
    def told(self) -> str:
        """What the last child has said on stderr."""
        return os.pread(self._told, 1 << 20, 0).decode()

    def stage_of(self, output: Path) -> str:
        """Return how far a run has come, by what it has left."""
        if (output / f"{NAME}.run.json").exists():
            return "finished"
        if not (output / f"{NAME}.journal").exists():
            return "planning"
        if len(recorded_bands(output)) < self.bands:
            return "bands"
        store = output / f"{NAME}.ome.zarr"
        if (store / "0").exists():
            return "image"
        if (store / "labels/segmentation/1").exists():
            return "pyramid"
        return "companions"

    def examine(self, output: Path, outcome: Outcome, how: str) -> None:
        """Go on to the end, and compare with the undisturbed run."""
        stage = self.stage_of(output)
        outcome.killed[stage] = outcome.killed.get(stage, 0) + 1
        # The journal goes last of all.
        done = stage == "finished"
        recorded = set(range(self.bands)) if done else recorded_bands(output)
        before = shards(output)
        outcome.begun.append(len({band for band, _ in before if band not in recorded}))
        try:
            self.finish(output)
        except RuntimeError as error:
            outcome.wrong.append(f"{how}, {stage}: it does not go on: {error}")
            return
        after = shards(output)
        kept = {key: value for key, value in before.items() if key[0] in recorded}
        outcome.lost.append(len({key[0] for key in kept if after.get(key) != kept[key]}))
        found = describe(output)
        for name in sorted(self.expected.keys() | found.keys()):
            if self.expected.get(name) != found.get(name):
                kind = "stray" if name not in self.expected else "missing"
                kind = "different" if name in found and name in self.expected else kind
                outcome.wrong.append(f"{how}, {stage}: {kind}: {name}")
                print(outcome.wrong[-1], file=sys.stderr, flush=True)


def _write_slide(path: Path, height: int) -> None:
    """Write a slide of the bundled tissue, repeated downwards."""
    from wsiseg.demo.sections import TISSUE

    with tifffile.TiffFile(TISSUE) as file:
        tissue = file.pages.first.asarray()
    pixels = np.tile(tissue, (-(-height // len(tissue)), 1, 1))[:height, 300 : 300 + WIDTH]
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(512, 512), compression="zlib")


def _write_checkpoint(path: Path) -> None:
    import torch

    from wsiseg.classes import numbered_classes
    from wsiseg.models import create_model
    from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry

    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = create_model("espnet-c", classes=3, alpha2=1, alpha3=1)
    classes = tuple(ClassEntry(name=c.name, colour=c.colour) for c in numbered_classes(3))
    card = CheckpointCard(
        architecture="espnet-c", arguments={"alpha2": 1, "alpha3": 1}, classes=classes
    )
    Checkpoint(card, network).save(path)


def _is_for_writing(mode: object, flags: object) -> bool:
    """Tell whether a file is opened to be changed, by its mode, or by flags of the system."""
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def kill_often(runs: Runs, kills: int, seed: int) -> Outcome:
    """Kill after random times, and compare each time.

    Parameters
    ----------
    runs : Runs
        The slide and its undisturbed run.
    kills : int
        How often.
    seed : int
        Seed of the times.
    """
    outcome, chance, whole = Outcome(), random.Random(seed), runs.measure()
    done = 0
    while done < kills:
        output = runs.folder / f"killed{done}"
        seconds = chance.uniform(0, whole)
        if not runs.kill_after(output, seconds):
            _remove(output)
            continue
        if chance.random() < 0.25:
            runs.kill_after(output, chance.uniform(0, whole))
        runs.examine(output, outcome, f"after {seconds:.2f} s")
        _remove(output)
        done += 1
    return outcome


def kill_at_changes(runs: Runs, events: Iterable[int]) -> Outcome:
    """Kill before changes of the output folder, by their numbers, and compare each time.

    Parameters
    ----------
    runs : Runs
        The slide and its undisturbed run.
    events : iterable of int
        Their numbers, from 1 to :attr:`Runs.changes`; two threads do not always come in the same
        order, so that a run may have a few less.
    """
    outcome = Outcome()
    for event in events:
        output = runs.folder / f"event{event}"
        if runs.stop_at(output, event) != -signal.SIGKILL:
            continue
        runs.examine(output, outcome, f"change {event}")
        _remove(output)
    return outcome


def _remove(output: Path) -> None:
    import shutil

    shutil.rmtree(output, ignore_errors=True)


def report(outcome: Outcome) -> None:
    """Print what became of the kills."""
    print(f"kills                            {sum(outcome.killed.values())}")
    for stage, count in outcome.killed.items():
        print(f"  while {stage:26} {count}")
    print(f"bands begun without a record     {max(outcome.begun, default=0)} at most")
    print(f"recorded bands written again     {sum(outcome.lost)}")
    print(f"differences                      {len(outcome.wrong)}")
    for line in outcome.wrong:
        print(f"  {line}")


def main() -> None:
    """Kill, resume, compare, and print; exit with 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--events", action="store_true", help="kill before every change instead")
    parser.add_argument("--every", type=int, default=1, help="with --events: only every n-th one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = str(Path(name, "cache"))
        runs = Runs(Path(name).resolve())
        print(f"an undisturbed run leaves        {len(runs.expected)} files")
        print(f"with so many changes             {runs.changes}")
        if arguments.events:
            outcome = kill_at_changes(runs, range(1, runs.changes + 1, arguments.every))
        else:
            outcome = kill_often(runs, arguments.kills, arguments.seed)
    report(outcome)
    right = not outcome.wrong and not sum(outcome.lost) and max(outcome.begun, default=0) <= 1
    raise SystemExit(0 if right else 1)


if __name__ == "__main__":
    main()

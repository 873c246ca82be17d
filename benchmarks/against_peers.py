"""wsiseg beside its peers, whole processes: from the command to the mask on disk.

FAST (C++, OpenVINO inside), MONAI's sliding window in memory, and wsiseg segment the same slide
with the same network, each as a process of its own, in turn, some rounds of each.  The clock starts
with the process and stops when it has ended, so that imports and the making ready of networks count
on all sides; memory is the peak of the process with its children.  Every side has run once before,
which fills the caches that it keeps: FAST's kernels, wsiseg's networks, the disk's pages.  All are
held to the same cores.  Figures are medians; the ratios are those of medians.

The slides are the 120-Mpx demonstration slide and 4096×4096 pixels of it.  All sides look at every
pixel, tissue or not.  FAST runs with the margin of wsiseg, 64 pixels that each patch throws away on
each side, and with 128, which is 1.4 times as much work.  How far labels agree is printed, so that
one sees that all do the same.

    pip install 'wsiseg[all]'
    python benchmarks/against_peers.py [--rounds 3] [--threads 2] [--slides small,large]

It runs on Linux, and makes the peers' environments by ``peers.txt`` on the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE / "peers"
EDGE = 4096
"""Of the small slide."""
TILE, MARGIN = 1024, 64
"""Of FAST, whose quickest they are; the margin is wsiseg's, too."""
MONAI_TILE, MONAI_OVERLAP = 512, 128

WANTED = {
    ("small", "wsiseg fp32", "FAST 128"): 1.8,
    ("small", "wsiseg fp32", "MONAI"): 3.5,
    ("small", "wsiseg fast", "FAST 128"): 2.8,
    ("large", "wsiseg fp32", "MONAI"): 4.0,
    ("large", "wsiseg fast", "MONAI"): 7.0,
}
"""How many times as fast one side is to be as another."""


@dataclass
class Run:
    """What one process took: seconds, MiB, and the processor's seconds."""

    seconds: float
    peak_mib: float
    processor: float


@dataclass
class Side:
    """One program.

    Attributes
    ----------
    name : str
        What it is called.
    command : list of str
        What is run.
    labels : Path
        Where it leaves its labels.
    runs : list of Run
        What was measured.
    notes : list of str
        What it says of itself.
    """

    name: str
    command: list[str]
    labels: Path
    runs: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def median(self, what: str) -> float:
        """Return the median of a figure of the runs."""
        return statistics.median(getattr(run, what) for run in self.runs)


# The processes --------------------------------------------------------------------------------


def measure(command: Sequence[str], cores: Sequence[int]) -> Run:
    """Run a command on some cores and return what it took.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    environment = os.environ | {
        "OMP_NUM_THREADS": str(len(cores)),
        "OPENBLAS_NUM_THREADS": str(len(cores)),
    }
    with tempfile.TemporaryFile("w+") as said:
        before, start = os.times(), time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, cores)), *command],
            stdout=said,
            stderr=said,
            env=environment,
        )
        watcher = MemoryWatcher(process.pid)
        watcher.start()
        status = process.wait()
        seconds, after = time.perf_counter() - start, os.times()
        watcher.stop()
        if status:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {status}:\n{said.read()[-2000:]}")
    processor = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return Run(seconds, watcher.peak / 1024, processor)


class MemoryWatcher(threading.Thread):
    """Follows the memory of a process and its children, in KiB.

    The system keeps the peak of every single process, so that nothing is missed between two looks
    where there is only one.

    Parameters
    ----------
    pid : int
        The process.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._stopped = threading.Event()
        self.peak = 0

    def run(self) -> None:
        """Look twenty times a second."""
        while not self._stopped.wait(0.05):
            now, highest = 0, 0
            for pid in _family(self._pid):
                held, peak = _memory(pid)
                now += held
                highest = max(highest, peak)
            self.peak = max(self.peak, now, highest)

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        self.join()


def _family(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _family(int(child))


def _memory(pid: int) -> tuple[int, int]:
    """Return what a process holds and the most that it has held."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = dict(line.split(":", 1) for line in lines if line.startswith(("VmRSS", "VmHWM")))
    return tuple(int(found.get(key, "0").split()[0]) for key in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


# What is prepared -----------------------------------------------------------------------------


def make_environments(folder: Path, wanted: Sequence[str]) -> dict[str, Path]:
    """Make the environments of the peers that are wanted, unless they stand.

    Returns
    -------
    dict
        Their Pythons, by name.
    """
    pythons = {}
    for line in (HERE / "peers.txt").read_text().splitlines():
        name, colon, requirements = line.partition(":")
        if line.startswith("#") or not colon or name not in wanted:
            continue
        place = folder / name
        pythons[name] = place / "bin" / "python"
        done = place / "installed.txt"
        if done.exists() and done.read_text() == requirements:
            continue
        print(f"installing{requirements}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        pip = [pythons[name], "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements.split()], check=True)
        done.write_text(requirements)
    if "fast" not in wanted:
        return pythons
    look = subprocess.run(
        [pythons["fast"], "-c", "import fast"], capture_output=True, text=True, check=False
    )
    if look.returncode:
        raise SystemExit(
            f"FAST cannot be imported: {look.stderr.strip().splitlines()[-1]}\n"
            "It needs of the system: apt-get install libusb-1.0-0 pocl-opencl-icd.  Without "
            "it: --sides wsiseg,monai"
        )
    return pythons


def knows_fast_precision() -> bool:
    """Tell whether this wsiseg has ``--precision fast``."""
    help_text = subprocess.run(
        [sys.executable, "-m", "wsiseg", "segment", "--help"],
        env=os.environ | {"COLUMNS": "200"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return "fast|" in help_text or "|fast" in help_text


def make_sides(
    slide: Path, folder: Path, pythons: dict[str, Path], options: argparse.Namespace
) -> list[Side]:
    """Return the programs with their commands for a slide."""
    threads, sides = options.threads, []
    wanted = options.sides.split(",")
    if "wsiseg" in wanted:
        for precision in ("fp32", "fast") if knows_fast_precision() else ("fp32",):
            out = folder / f"wsiseg-{precision}"
            command = [sys.executable, "-m", "wsiseg", "segment", str(slide), "-o", str(out)]
            command += ["-c", options.checkpoint, "--level", "0", "--tissue", "none", "--quiet"]
            command += ["--overwrite", "--threads", str(threads), "--precision", precision]
            mask = out / f"{slide.stem}.ome.zarr"
            sides.append(Side(f"wsiseg {precision}", [*command, *options.segment.split()], mask))
    if "fast" in wanted:
        for margin in (MARGIN, 2 * MARGIN):
            out = folder / f"fast-{margin}.tiff"
            command = [str(pythons["fast"]), str(PEERS / "fast_side.py"), str(slide)]
            command += [str(folder / "network.onnx"), str(out), str(TILE), str(margin)]
            sides.append(Side(f"FAST {margin}", command, out))
    if "monai" in wanted:
        out = folder / "monai.npy"
        command = [str(pythons["monai"]), str(PEERS / "monai_side.py"), str(slide)]
        command += [str(folder / "network.pt"), str(out), str(MONAI_TILE), str(MONAI_OVERLAP)]
        sides.append(Side("MONAI", [*command, str(threads)], out))
    return sides


# What is told ---------------------------------------------------------------------------------


def agreements(sides: Sequence[Side]) -> dict[str, float]:
    """Return the share of equal labels of each pair of sides."""
    found = {}
    for one, other in combinations(sides, 2):
        command = [sys.executable, PEERS / "compare.py", one.labels, other.labels]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[f"{one.name} / {other.name}"] = float(answer)
    return found


def note_runtime_share(side: Side) -> None:
    """Note which share of a wsiseg process its network took, by its own run file."""
    run_file = side.labels.with_name(side.labels.name.removesuffix(".ome.zarr") + ".run.json")
    if not run_file.is_file():
        return
    summary = json.loads(run_file.read_text())["summary"]
    inside, whole = summary["forward_seconds"], summary["seconds"]
    side.notes.append(
        f"{side.name}: {1 - inside / whole:.1%} of the run and "
        f"{1 - inside / side.runs[-1].seconds:.1%} of the process outside the runtime, "
        f"{summary['runtime']} in {summary['precision']}, {summary['tiles']} tiles, "
        f"{summary['computed_megapixels']:.1f} Mpx computed"
    )


def report(name: str, megapixels: float, sides: Sequence[Side]) -> None:
    """Print what was measured of one slide."""
    print(f"\n{name}: {megapixels:.1f} Mpx, median of {len(sides[0].runs)}")
    for side in sides:
        seconds, peak = side.median("seconds"), side.median("peak_mib")
        rounds = " ".join(f"{run.seconds:.2f}" for run in side.runs)
        print(
            f"  {side.name:12} {seconds:7.2f} s  {megapixels / seconds:5.2f} Mpx/s  "
            f"{side.median('processor'):7.2f} s of processor  {peak:6.0f} MiB   ({rounds})"
        )
    ours = [side for side in sides if side.name.startswith("wsiseg")]
    for one in ours:
        for other in sides:
            if other in ours:
                continue
            faster = other.median("seconds") / one.median("seconds")
            memory = other.median("peak_mib") / one.median("peak_mib")
            wanted = WANTED.get((name, one.name, other.name))
            aim = "" if wanted is None else f", aimed at {wanted} or more"
            print(
                f"  {one.name} is {faster:.2f} times as fast as {other.name}, which needs "
                f"{memory:.2f} times its memory{aim}"
            )
    for side in sides:
        for note in side.notes:
            print(f"  {note}")
    for pair, share in agreements(sides).items():
        print(f"  equal labels {pair}: {share:.4f}")


def run_slide(name: str, sides: Sequence[Side], options: argparse.Namespace) -> None:
    """Run all sides once unmeasured, then in turn."""
    cores = sorted(os.sched_getaffinity(0))[: options.threads]
    for number in range(options.rounds + 1):
        for side in sides:
            run = measure(side.command, cores)
            kind = f"round {number}" if number else "filling caches"
            print(
                f"{name}, {kind}: {side.name} {run.seconds:.2f} s, {run.peak_mib:.0f} MiB",
                file=sys.stderr,
                flush=True,
            )
            if number:
                side.runs.append(run)
    for side in sides:
        note_runtime_share(side)


def main() -> None:
    """Measure, and print figures, ratios and agreements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-c", "--checkpoint", default="nuclei")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slides", default="small,large", help="which slides, by commas")
    parser.add_argument("--sides", default="wsiseg,fast,monai", help="which programs, by commas")
    parser.add_argument("--segment", default="", help="further options of wsiseg segment")
    parser.add_argument("--environments", type=Path, default=Path("build/peers"))
    parser.add_argument("-o", "--output", type=Path, help="a .json for all single runs")
    options = parser.parse_args()
    pythons = make_environments(options.environments.resolve(), options.sides.split(","))
    everything = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare = [sys.executable, PEERS / "prepare.py", folder, options.checkpoint]
        subprocess.run([*prepare, str(EDGE), str(TILE)], check=True, stdout=subprocess.DEVNULL)
        for slide, megapixels in (("small", EDGE**2 / 1e6), ("large", 120.0)):
            if slide in options.slides.split(","):
                sides = make_sides(folder / f"{slide}.tiff", folder, pythons, options)
                run_slide(slide, sides, options)
                report(slide, megapixels, sides)
                everything[slide] = {s.name: [vars(run) for run in s.runs] for s in sides}
    if options.output is not None:
        about = {"machine": platform.platform(), "threads": options.threads, "runs": everything}
        options.output.write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    main()

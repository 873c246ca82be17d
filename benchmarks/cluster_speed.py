"""How much faster several workers on this machine are, and a cohort that loses one of them.

First one slide of real tissue in one process, and over 1, 2 and 4 workers that share its cores:
every byte of every store is compared, and the speed-up printed.  Then a cohort of 30 slides, 7 of
which are damaged in 7 ways, over 3 workers, one of which is killed: 23 masks as one process leaves
them, 7 records with reasons, exit status 1.

    python benchmarks/cluster_speed.py [--bands 16] [--width 2048] [--slides 30] [--skip cohort]

Exit status 1 if anything differs.  What is measured says nothing about more machines: workers here
share the cores that one process uses all of.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import tifffile

import wsiseg
from wsiseg.cluster import open_cluster
from wsiseg.demo.sections import TISSUE
from wsiseg.models.runtimes.choosing import usable_cores
from wsiseg.store.arrays import BAND_HEIGHT
from wsiseg.tiling import Box

SETTINGS = {"runtime": "openvino", "slide_mpp": 0.5, "tissue": "none"}
WORKERS = (1, 2, 4)


def write_slide(path: Path, height: int, width: int, shift: int = 0) -> Path:
    """Write a tiled TIFF of real tissue."""
    with wsiseg.open_slide(TISSUE) as slide:
        box = slide.levels[0].box
        pixels = slide.read_region(0, Box(0, 0, box.height, min(width, box.width)))
    rows = np.arange(shift, shift + height) % len(pixels)
    across = -(-width // pixels.shape[1])
    tall = np.tile(pixels, (1, across, 1))[rows, :width]
    tifffile.imwrite(path, tall, photometric="rgb", tile=(256, 256), compression="zlib")
    return path


def stores(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all stores below a folder."""
    found = (path for path in folder.glob("*.ome.zarr/**/*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def compare_speeds(folder: Path, bands: int, width: int) -> int:
    """Print seconds over some workers, and return how many masks differ from one process's."""
    slide = write_slide(folder / "slide.tiff", bands * BAND_HEIGHT - 100, width)
    # Once to keep what is compiled.
    wsiseg.segment(slide, output=folder / "warm", **SETTINGS)
    start = time.perf_counter()
    wsiseg.segment(slide, output=folder / "one", **SETTINGS)
    alone = time.perf_counter() - start
    expected, bad = stores(folder / "one"), 0
    print(f"one slide of {width}×{bands * BAND_HEIGHT - 100} on {usable_cores()} cores")
    print(f"  one process   {alone:6.1f} s")
    for workers in WORKERS:
        start = time.perf_counter()
        with open_cluster(workers=workers) as cluster:
            ready = time.perf_counter() - start
            # As in one process: what is compiled is in the processes.
            wsiseg.segment(slide, output=folder / f"warm{workers}", cluster=cluster, **SETTINGS)
            start = time.perf_counter()
            out = folder / f"many{workers}"
            wsiseg.segment(slide, output=out, cluster=cluster, **SETTINGS)
            seconds = time.perf_counter() - start
        same = stores(out) == expected
        bad += not same
        run = json.loads((out / "slide.run.json").read_text(encoding="utf-8"))
        done = sum(worker["tiles"] for worker in run["workers"])
        print(
            f"  {workers} workers     {seconds:6.1f} s, {alone / seconds:.2f} times as fast, "
            f"{done} tiles in place of {run['summary']['tiles']}; {ready:.1f} s to start; "
            f"{'same bits' if same else 'OTHER BITS'}"
        )
    return bad


def damaged(good: bytes) -> Sequence[bytes]:
    """Return seven ways in which a slide may be no slide."""
    return (
        b"",
        b"not a slide",
        good[:2000],
        good[: len(good) // 2],
        bytes(len(good)),
        b"\x89PNG\r\n\x1a\n" + good[:5000],
        b"II*\x00\xff\xff\xff\xff" + good[8:],
    )


def run_cohort(folder: Path, number: int) -> int:
    """Segment a cohort over three workers, kill one, and return how many things are wrong."""
    slides, out = folder / "slides", folder / "out"
    slides.mkdir()
    for index in range(number - 7):
        write_slide(slides / f"good{index:02}.tiff", 1500 + 50 * index, 600, 70 * index)
    for index, content in enumerate(damaged((slides / "good00.tiff").read_bytes())):
        (slides / f"bad{index}.tiff").write_bytes(content)
    command = [sys.executable, "-m", "wsiseg", "segment", str(slides), "-o", str(out)]
    words = ["--runtime", "openvino", "--slide-mpp", "0.5", "--tissue", "none", "--json"]
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, *words, "--workers", "3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        killed = kill_one(run.pid, out)
        printed, said = run.communicate()
    seconds = time.perf_counter() - start
    entries = json.loads(printed)["slides"]
    failed = [entry for entry in entries if entry["status"] == "failed"]
    alone = folder / "alone"
    subprocess.run([*command[:-1], str(alone), *words], check=False, capture_output=True)
    same = stores(out) == stores(alone)
    masks = len(list(out.glob("*.ome.zarr/zarr.json")))
    stray = [path for path in out.rglob("*") if path.suffix in {".partial", ".lock", ".journal"}]
    records = json.loads((out / "batch.json").read_text(encoding="utf-8"))
    print(f"cohort of {number}, 3 workers, {'one killed' if killed else 'NONE KILLED'}")
    print(
        f"  {seconds:.1f} s, exit status {run.returncode}, {masks} masks, {len(failed)} failed, "
        f"{len(records['slides'])} records, {len(stray)} stray files, "
        f"{'same bits' if same else 'OTHER BITS'}"
    )
    for entry in failed:
        print(f"  {entry['error']}")
    if b"was lost" not in said:
        print(f"  nobody said that a worker was lost: {said.decode()[-500:]}")
    right = (
        run.returncode == 1
        and masks == number - 7
        and len(failed) == 7
        and all(entry["error"] for entry in failed)
        and len(records["slides"]) == number
        and same
        and not stray
        and killed
    )
    return not right


def kill_one(driver: int, out: Path) -> bool:
    """Kill a worker of a driver once some masks are done; tell whether one was killed."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if len(list(out.glob("*.run.json"))) >= 5:
            workers = [
                child
                for child in psutil.Process(driver).children(recursive=True)
                if any("spawn_main" in word for word in child.cmdline())
            ]
            # The resource tracker of Python is a child, too, and has another command.
            os.kill(min(workers, key=lambda child: child.pid).pid, signal.SIGKILL)
            return True
        time.sleep(0.2)
    return False


def main() -> None:
    """Measure both, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bands", type=int, default=16)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--slides", type=int, default=30)
    parser.add_argument("--skip", choices=("slide", "cohort"))
    chosen = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.skip != "slide":
            bad += compare_speeds(folder, chosen.bands, chosen.width)
        if chosen.skip != "cohort":
            bad += run_cohort(folder, chosen.slides)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()

"""How memory grows over a cohort: 200 small slides in one process, and the slope of its memory.

The slides differ in size and content, every tenth cannot be read.  The first ones fill what is kept
for all of them, so the line is fitted through the later ones.

    python benchmarks/cohort_memory.py [--slides 200] [--runtime auto]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import tifffile

import wsiseg

WARM_UP = 40
LIMIT_MIB = 0.1


def write_slides(folder: Path, number: int) -> None:
    """Write small tiled TIFFs of four sizes."""
    random = np.random.default_rng(0)
    for index in range(number):
        edge = 384 + 128 * (index % 4)
        path = folder / f"{index:04}.tiff"
        if index % 10 == 9:
            path.write_bytes(b"II*\0 cut off")
            continue
        pixels = np.full((edge, edge, 3), 240, np.uint8)
        pixels[64:-64, 64:-64] = random.integers(90, 200, (edge - 128, edge - 128, 3), np.uint8)
        tifffile.imwrite(
            path,
            pixels,
            tile=(256, 256),
            compression="zlib",
            photometric="rgb",
            resolution=(20000, 20000),
            resolutionunit="CENTIMETER",
        )


def main() -> None:
    """Segment the cohort and print the slope."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slides", type=int, default=200)
    parser.add_argument("--runtime", default="auto")
    options = parser.parse_args()
    process = psutil.Process()
    sizes, states = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        write_slides(folder / "in", options.slides)
        start = time.perf_counter()
        entries = wsiseg.segment_batch(
            folder / "in", output=folder / "out", runtime=options.runtime, tissue="none"
        )
        for entry in entries:
            sizes.append(process.memory_info().rss / 2**20)
            states.append(entry["status"])
            if len(sizes) % 20 == 0:
                print(f"{len(sizes):4} slides  {sizes[-1]:7.1f} MiB", flush=True)
        seconds = time.perf_counter() - start
    warm = min(WARM_UP, len(sizes) // 3)
    slope, _ = np.polyfit(np.arange(len(sizes) - warm), sizes[warm:], 1)
    print(f"{states.count('ok')} done, {states.count('failed')} failed in {seconds:.0f} s")
    print(
        f"slope over the last {len(sizes) - warm} slides: {slope:+.3f} MiB a slide "
        f"(limit: {LIMIT_MIB}); peak {max(sizes):.0f} MiB"
    )


if __name__ == "__main__":
    main()

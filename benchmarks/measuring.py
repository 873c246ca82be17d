"""Components of a 10000×12000 mask of some 50,000 nuclei, beside scikit-image on all of it.

Both sides read the same store and give area, perimeter, centroid, bounding box and solidity of
every component of both classes to a CSV file, each in a process of its own, in turn.  The ground is
one component that spans the whole mask.

    python benchmarks/measuring.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np

from exports import HEIGHT, MPP, WIDTH, draw_nuclei, measure, store

OURS = """
import sys, time
import wsiseg
from wsiseg.throughput.hardware import peak_rss_mb
start = time.perf_counter(), time.process_time()
result = wsiseg.measure(sys.argv[1], sys.argv[2], components=True)
end = time.perf_counter(), time.process_time()
rows = len(result.tables["components"]["pixels"])
print(rows, end[0] - start[0], end[1] - start[1], peak_rss_mb())
"""

THEIRS = """
import sys, time
import numpy as np, zarr
from skimage.measure import label, regionprops
from wsiseg.throughput.hardware import peak_rss_mb
start = time.perf_counter(), time.process_time()
labels = np.asarray(zarr.open_group(sys.argv[1], mode="r")["0"])
numbered = label(np.where(labels == 255, 0, labels + 1), connectivity=1)
rows = [
    (r.area, r.perimeter, r.solidity, *r.centroid, *r.bbox) for r in regionprops(numbered)
]
np.savetxt(sys.argv[2], rows, fmt="%.17g", delimiter=",")
end = time.perf_counter(), time.process_time()
print(len(rows), end[0] - start[0], end[1] - start[1], peak_rss_mb())
"""


def compare(ours: Path, theirs: Path) -> dict[str, float]:
    """Return the largest difference of each figure, relative to the figure."""
    mine = np.genfromtxt(ours, delimiter=",", names=True, dtype=None, encoding="utf-8")
    area, perimeter, solidity, y, x, top, left, bottom, right = np.loadtxt(theirs, delimiter=",").T
    pairs = {
        "area": (mine["pixels"], area),
        "perimeter": (mine["perimeter_px"], perimeter),
        "solidity": (mine["solidity"], solidity),
        "centroid_x": (mine["centroid_x"], x + 0.5),
        "centroid_y": (mine["centroid_y"], y + 0.5),
        "box_x": (mine["box_x"], left),
        "box_y": (mine["box_y"], top),
        "box_width": (mine["box_width"], right - left),
        "box_height": (mine["box_height"], bottom - top),
    }
    return {
        name: float(np.max(np.abs(one - other) / np.maximum(np.abs(other), 1)))
        for name, (one, other) in pairs.items()
    }


def main() -> None:
    """Measure both sides in turn, and print medians, their ratio and the differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mask = store(folder, draw_nuclei(HEIGHT, WIDTH))
        ours, theirs = folder / "ours.csv", folder / "theirs.csv"
        rounds: dict[str, list[list[float]]] = {"wsiseg": [], "skimage": []}
        for _ in range(options.rounds):
            ours.unlink(missing_ok=True)
            rounds["wsiseg"].append(measure(OURS, mask, ours))
            rounds["skimage"].append(measure(THEIRS, mask, theirs))
        medians = {
            side: [statistics.median(column) for column in zip(*found, strict=True)]
            for side, found in rounds.items()
        }
        for side, (rows, wall, used, peak) in medians.items():
            print(
                f"{side:10} {rows:8.0f} components {wall:7.1f} s, {used:7.1f} s of processor, "
                f"peak {peak:6.0f} MiB"
            )
        ratio = [medians["skimage"][k] / medians["wsiseg"][k] for k in (1, 2, 3)]
        print("ratio      time {:.2f}, processor {:.2f}, memory {:.2f}".format(*ratio))
        for figure, difference in compare(ours, theirs).items():
            print(f"{figure:10} largest difference {difference:.1e} (at {MPP} µm a pixel)")


if __name__ == "__main__":
    main()

"""GeoJSON of a 10000×12000 mask of some 50,000 nuclei, beside rasterio and shapely on all of it.

Both sides read the same store and write all areas of both classes to a file, each in a process of
its own, in turn.

    python benchmarks/exports.py [--rounds 3] [--simplify LENGTH]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from wsiseg.classes import LabelClass
from wsiseg.store.masks import MaskStore
from wsiseg.store.metadata import Placement
from wsiseg.tiling.bands import Band
from wsiseg.tiling.boxes import Box

HEIGHT, WIDTH = 12000, 10000
PITCH = 48
"""Pixels to a nucleus: some 50,000."""
MPP = 0.25
BAND = 1024

OURS = """
import sys, time
import wsiseg
from wsiseg.throughput.hardware import peak_rss_mb
start = time.perf_counter(), time.process_time()
options = {"simplify": sys.argv[3]} if len(sys.argv) > 3 else {}
result = wsiseg.export(sys.argv[1], "geojson", sys.argv[2], **options)
end = time.perf_counter(), time.process_time()
print(result.features, end[0] - start[0], end[1] - start[1], peak_rss_mb())
"""

THEIRS = """
import json, sys, time
import numpy as np, rasterio.features, shapely, zarr
from shapely.geometry import mapping, shape
from wsiseg.throughput.hardware import peak_rss_mb
start = time.perf_counter(), time.process_time()
labels = np.asarray(zarr.open_group(sys.argv[1], mode="r")["0"])
features = []
for geometry, value in rasterio.features.shapes(labels, mask=labels != 255, connectivity=4):
    polygon = shape(geometry)
    properties = {"objectType": "annotation", "classification": {"name": str(int(value))}}
    properties["measurements"] = {"Area": polygon.area}
    features.append({"type": "Feature", "geometry": mapping(polygon), "properties": properties})
with open(sys.argv[2], "w") as file:
    json.dump({"type": "FeatureCollection", "features": features}, file)
end = time.perf_counter(), time.process_time()
print(len(features), end[0] - start[0], end[1] - start[1], peak_rss_mb())
"""


def draw_nuclei(height: int, width: int) -> np.ndarray:
    """Return labels of ellipses, 3 to 9 µm long, in a ground; some touch."""
    random = np.random.default_rng(0)
    labels = np.zeros((height, width), np.uint8)
    y, x = np.mgrid[:PITCH, :PITCH]
    for top in range(0, height - PITCH + 1, PITCH):
        for left in range(0, width - PITCH + 1, PITCH):
            long, short = random.uniform(8, 18), random.uniform(6, 13)
            down, across = random.uniform(16, PITCH - 16, 2)
            turn = random.uniform(0, np.pi)
            along = np.cos(turn) * (x - across) + np.sin(turn) * (y - down)
            aside = np.cos(turn) * (y - down) - np.sin(turn) * (x - across)
            inside = (along / long) ** 2 + (aside / short) ** 2 < 1
            labels[top : top + PITCH, left : left + PITCH][inside] = 1
    return labels


def store(folder: Path, labels: np.ndarray) -> Path:
    """Write the mask as a run would have left it."""
    classes = [LabelClass("ground", (240, 230, 250)), LabelClass("nucleus", (60, 0, 160))]
    mask = MaskStore(folder / "nuclei.ome.zarr", labels.shape, classes)
    for top in range(0, len(labels), BAND):
        part = labels[top : top + BAND]
        mask.write(Band(Box(top, 0, *part.shape), part, None))
    notes = {"slide": "nuclei.svs", "slide_scale": 1.0, "stretch": [1.0, 1.0], "bounds": None}
    mask.finish("nuclei", Placement(MPP, 1.0), notes)
    return mask.path


def measure(code: str, *words: object) -> list[float]:
    """Run one side, and return its features, wall and processor seconds, and peak in MiB."""
    command = [sys.executable, "-c", code, *map(str, words)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(word) for word in run.stdout.split()]


def areas(path: Path) -> float:
    """Return the pixels that the outlines of a file enclose, holes taken off."""
    total = 0.0
    for feature in json.loads(path.read_text())["features"]:
        for number, ring in enumerate(feature["geometry"]["coordinates"]):
            x, y = np.array(ring).T
            area = abs(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2
            total += -area if number else area
    return total


def main() -> None:
    """Measure both sides in turn, and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--simplify")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mask = store(folder, draw_nuclei(HEIGHT, WIDTH))
        rounds: dict[str, list[list[float]]] = {"wsiseg": [], "rasterio": []}
        ours, theirs = folder / "ours.geojson", folder / "theirs.geojson"
        for _ in range(options.rounds):
            ours.unlink(missing_ok=True)
            words = [] if options.simplify is None else [options.simplify]
            rounds["wsiseg"].append(measure(OURS, mask, ours, *words))
            rounds["rasterio"].append(measure(THEIRS, mask, theirs))
        medians = {
            side: [statistics.median(column) for column in zip(*found, strict=True)]
            for side, found in rounds.items()
        }
        for side, (features, wall, used, peak) in medians.items():
            print(
                f"{side:10} {features:8.0f} features {wall:7.1f} s, {used:7.1f} s of processor, "
                f"peak {peak:6.0f} MiB"
            )
        ratio = [medians["rasterio"][k] / medians["wsiseg"][k] for k in (1, 2, 3)]
        print("ratio      time {:.2f}, processor {:.2f}, memory {:.2f}".format(*ratio))
        if options.simplify is None:
            print(f"equal area: {areas(ours) == areas(theirs)} (each counts {areas(ours):.0f})")


if __name__ == "__main__":
    main()

"""What a run has left on the disk: its recorded bands, its shards, and every file but for times.

Not to be run by itself: `kills.py`, `signals.py` and `disk_full.py` compare runs by it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

NAME, BAND = "tall", 1_024
"""What the slide of these runs is called, and how high its bands are."""

FINEST = ("ome.zarr/labels/segmentation/0", "probabilities.ome.zarr/0", "uncertainty.ome.zarr/0")
"""Arrays that are written band by band."""

TIMED = {f"{NAME}.run.json", f"{NAME}.tiles.csv", "batch.json", "cohort.csv"}
"""Files that hold times, so that their bytes differ."""


def recorded_bands(output: Path) -> set[int]:
    """Return the bands that a journal has recorded, by their places from the top."""
    journal = output / f"{NAME}.journal"
    lines = journal.read_bytes().split(b"\n")[1:-1] if journal.exists() else []
    return {json.loads(line)["box"]["y"] // BAND for line in lines}


def shards(output: Path) -> dict[tuple[int, str], tuple[int, int]]:
    """Return the shards of the labels, probabilities and doubt at level 0, by their bands."""
    found = {}
    for array in FINEST:
        root = output / f"{NAME}.{array}"
        for path in root.glob("c/**/*"):
            if path.is_file() and path.name.isdigit():
                seen = path.stat()
                key = int(path.parent.name), str(path.relative_to(output))
                found[key] = (seen.st_ino, seen.st_mtime_ns)
    return found


def describe(output: Path) -> dict[str, str]:
    """Return every file of an output with what it holds, but for times."""
    found = {}
    for path in sorted(output.rglob("*")):
        if path.is_file():
            name = path.relative_to(output).as_posix()
            found[name] = (
                _untimed(path) if name in TIMED else hashlib.sha256(path.read_bytes()).hexdigest()
            )
    return found


def _untimed(path: Path) -> str:
    text = path.read_text()
    if path.suffix == ".csv":
        rows = list(csv.DictReader(text.splitlines()))
        kept = ("index", "y", "x", "status") if path.stem != "cohort" else ("status", "slide")
        return json.dumps([[row[name] for name in kept] for row in rows])
    content = json.loads(text)
    if path.name == "batch.json":
        return json.dumps([[entry["status"], entry["classes"]] for entry in content["slides"]])
    summary = {name: content["summary"][name] for name in ("classes", "tiles", "megapixels")}
    return json.dumps([summary, content["identity"], content["shards"]])

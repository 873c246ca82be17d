"""Errors of an S3 server at many points of a run, each of them gone on with.

A relay before moto's server lets so many requests through, and fails from then on: with 500, with
403, or by breaking the connection off.  After each it is checked that the run ended with one error
in one line, that no object is cut short and no mask looks finished that is not, and that the run
that is resumed leaves bit for bit what an undisturbed one leaves on this machine's disk.

    python benchmarks/s3_errors.py [--points 20] [SLIDE]

A slide of three bands is made where none is named.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from jpeg_slide import write_jpeg_slide
from s3_server import SECRET, Relay, environment, make_bucket, s3_server
from tiny import segment_tiny
from wsiseg.errors import WsisegError
from wsiseg.remote import buckets
from wsiseg.remote.remote_path import RemotePath

SETTINGS = {"level": 0, "tile": 128, "probabilities": True}
TIMED = (".tiles.csv", ".run.json")


def objects(place: RemotePath) -> dict[str, bytes]:
    """Return all objects below, by name."""
    return {name: (place / name).read_bytes() for name in place.files_below()}


def lasting(found: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out what tells of time."""
    return {name: content for name, content in found.items() if not name.endswith(TIMED)}


def check(found: dict[str, bytes], levels: int) -> str | None:
    """Return what is wrong with an interrupted output, or None."""
    for name, content in found.items():
        if name.endswith(".json"):
            json.loads(content)
    finished = [name for name in found if name.endswith(".ome.zarr/zarr.json")]
    for name in finished:
        store = name.removesuffix("zarr.json")
        if any(f"{store}{level}/zarr.json" not in found for level in range(levels)):
            return f"{name} is there before its levels"
    return None


def attempt(slide: Path, place: RemotePath, relay: Relay, point: int, status: int) -> str:
    """Fail at one point, look, go on, and return what was said."""
    place.remove_tree()
    relay.asked.clear()
    relay.fails = lambda _, count: status if count >= point else None
    said = "no error: all was done"
    try:
        segment_tiny(slide, place, **SETTINGS)
    except WsisegError as error:
        said = str(error)
    relay.fails = None
    if "\n" in said or SECRET in said:
        return f"BAD MESSAGE {said!r}"
    return said


def main() -> int:
    """Run all points; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slide", nargs="?", type=Path)
    parser.add_argument("--points", type=int, default=20)
    asked = parser.parse_args()
    buckets.RETRIES = 0
    wrong = 0
    with (
        tempfile.TemporaryDirectory() as name,
        s3_server() as endpoint,
        Relay(endpoint).running() as relay,
    ):
        folder = Path(name)
        slide = asked.slide or write_jpeg_slide(folder / "a.tiff", 2900, 300, tile=64)
        os.environ.update(environment(relay.url))
        place = RemotePath(make_bucket(endpoint, "lab")) / "out"
        segment_tiny(slide, folder / "out", **SETTINGS)
        files = (path for path in (folder / "out").rglob("*") if path.is_file())
        local = {path.relative_to(folder / "out").as_posix(): path.read_bytes() for path in files}
        levels = len({key.split("/")[1] for key in local if "/" in key} - {"zarr.json"})
        segment_tiny(slide, place, **SETTINGS)
        total = len(relay.asked)
        for number, status in zip(
            range(asked.points), itertools.cycle((500, 403, 0)), strict=False
        ):
            point = 1 + number * (total - 4) // max(1, asked.points - 1)
            said = attempt(slide, place, relay, point, status)
            damage = check(objects(place), levels)
            journal = (place / f"{slide.stem}.journal").exists()
            again = {"resume" if journal else "overwrite": True}
            segment_tiny(slide, place, **SETTINGS, **again)
            same = lasting(objects(place)) == lasting(local)
            bad = damage is not None or not same or said.startswith("BAD")
            wrong += bad
            print(
                f"request {point} of {total}, {status or 'broken off'}: {said[:90]} | "
                f"{damage or 'sound'}, {'resumed' if journal else 'begun again'}, "
                f"{'bit for bit' if same else 'DIFFERS'}"
            )
    print(f"{asked.points - wrong} of {asked.points} points")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())

"""Lets the disk run full at many points of a run, makes room, goes on, and compares.

The output lies on a small tmpfs, in a mount namespace of its own, so nothing is left of it.  A file
of ballast leaves room for a part of what an undisturbed run writes, from nothing to nearly all.
Each run has to end with status 1 and one line that says so; whatever it has left has to be readable
and must not look like a finished mask.  Then the ballast goes, the run is resumed, and every file
has to be as the undisturbed run has left it.

    python benchmarks/disk_full.py [--points 20] [--limit]

Where tmpfs cannot be mounted, and with ``--limit``, the size of every single file is limited
instead (RLIMIT_FSIZE), which only large files meet.  Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kills import Runs
from run_output import NAME, describe

PAGE = 4_096
UNSHARED = "WSISEG_DISK_FULL_UNSHARED"
SAID = ("No space", "too large", "too full")
"""What says that a disk is full: while writing, by a limit, and before anything is written."""

_MOUNTING = ["unshare", "--mount", "--map-root-user"]


def can_mount() -> bool:
    """Tell whether this user may mount a tmpfs for itself."""
    words = [*_MOUNTING, "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def spread(points: int, largest: int) -> Iterator[int]:
    """Yield room from nothing to nearly all, in whole pages."""
    for point in range(points):
        yield largest * point // points // PAGE * PAGE


class SmallDisk:
    """A tmpfs with room for so many bytes, or a limit to the size of files.

    Parameters
    ----------
    folder : Path
        Where to mount it.
    size : int
        Bytes of the whole disk.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self._ballast = folder, folder / "ballast"
        folder.mkdir()
        options = f"size={size}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)

    def leave(self, room: int) -> None:
        """Write ballast that leaves so many bytes free."""
        free = shutil.disk_usage(self.folder).free
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - room)

    def unmount(self) -> None:
        """Take the disk away."""
        subprocess.run(["umount", str(self.folder)], check=False)

    def make_room(self) -> None:
        """Remove the ballast."""
        self._ballast.unlink()


@dataclass
class Outcome:
    """What became of the runs.

    Attributes
    ----------
    stages : dict of str to int
        How many runs met the end of the disk in which stage.
    wrong : list of str
        What they said or left that they should not.
    """

    stages: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def try_points(runs: Runs, rooms: Callable[[int], Iterable[int]]) -> Outcome:
    """Let a disk run full.

    Parameters
    ----------
    runs : Runs
        The slide and its undisturbed run.
    rooms : callable
        Takes what the undisturbed run has written, in bytes, and returns the room to leave each
        time.
    """
    used = sum(-(-path.stat().st_size // PAGE) * PAGE for path in _files(runs.whole))
    disk = SmallDisk(runs.folder / "disk", 4 * used)
    output = disk.folder / "out"
    outcome = Outcome()
    try:
        for room in rooms(used):
            disk.leave(room)
            status = runs.status_of(output)
            where = f"room for {room >> 10} KiB, {runs.stage_of(output)}"
            outcome.wrong += _judge(runs, output, status, where)
            _count(outcome, runs, output)
            disk.make_room()
            outcome.wrong += _go_on(runs, output, where)
            shutil.rmtree(output, ignore_errors=True)
    finally:
        disk.unmount()
    return outcome


def try_limits(runs: Runs, points: int) -> Outcome:
    """Limit the size of files, at so many points."""
    largest = max(path.stat().st_size for path in _files(runs.whole))
    output = runs.folder / "out"
    outcome = Outcome()
    for point in range(points):
        limit = max(PAGE, largest * point // points)

        def work(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            runs.run(output)

        # What is told goes through a pipe, which has no size.
        status = runs.status_of(output, work)
        where = f"files up to {limit} bytes, {runs.stage_of(output)}"
        outcome.wrong += _judge(runs, output, status, where)
        _count(outcome, runs, output)
        outcome.wrong += _go_on(runs, output, where)
        shutil.rmtree(output, ignore_errors=True)
    return outcome


def _count(outcome: Outcome, runs: Runs, output: Path) -> None:
    stage = runs.stage_of(output)
    outcome.stages[stage] = outcome.stages.get(stage, 0) + 1


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _judge(runs: Runs, output: Path, status: int, where: str) -> Iterator[str]:
    """Yield what is wrong with what a run on a full disk says and leaves."""
    lines = [line for line in runs.told.splitlines() if not line.startswith("warning: ")]
    if status != 1:
        yield f"{where}: status {status} instead of 1: {lines}"
    elif len(lines) != 1 or not any(word in lines[0] for word in SAID):
        yield f"{where}: not one clear line: {lines}"
    for path in _files(output):
        if path.suffix == ".json":
            try:
                json.loads(path.read_bytes())
            except ValueError:
                yield f"{where}: {path.name} is no JSON: {path.read_bytes()[:80]!r}"
    group = output / f"{NAME}.ome.zarr" / "zarr.json"
    described = group.exists() and "ome" in json.loads(group.read_bytes())["attributes"]
    # With its metadata it is a mask for every program.
    if described and not _is_whole(runs, output):
        yield f"{where}: it looks like a finished mask"


def _is_whole(runs: Runs, output: Path) -> bool:
    """Tell whether every shard and all metadata of the stores are there."""
    found = describe(output)
    return all(
        found.get(name) == value for name, value in runs.expected.items() if ".zarr/" in name
    )


def _go_on(runs: Runs, output: Path, where: str) -> Iterator[str]:
    """Yield what is wrong with what a run leaves that goes on where there is room again."""
    try:
        runs.finish(output)
    except RuntimeError as error:
        yield f"{where}: it does not go on: {error}"
        return
    found = describe(output)
    for name in sorted(found.keys() | runs.expected.keys()):
        if found.get(name) != runs.expected.get(name):
            yield f"{where}: gone on with, {name} is another, missing or stray"


def main() -> None:
    """Run full, make room, go on, compare, and print; exit with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--limit", action="store_true", help="limit the size of files instead")
    arguments = parser.parse_args()
    if not arguments.limit and UNSHARED not in os.environ:
        if can_mount():
            words = [*_MOUNTING, sys.executable, *sys.argv]
            raise SystemExit(
                subprocess.run(words, env={**os.environ, UNSHARED: "1"}, check=False).returncode
            )
        arguments.limit = True
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = str(Path(name, "cache"))
        runs = Runs(Path(name).resolve())
        if arguments.limit:
            outcome = try_limits(runs, arguments.points)
        else:
            outcome = try_points(runs, lambda used: spread(arguments.points, used))
    print(f"by                 {'a limit to files' if arguments.limit else 'a small tmpfs'}")
    print(f"points             {arguments.points}")
    for stage, count in outcome.stages.items():
        print(f"  while {stage:12} {count}")
    print(f"wrong              {len(outcome.wrong)}")
    for line in outcome.wrong:
        print(f"  {line}")
    raise SystemExit(1 if outcome.wrong else 0)


if __name__ == "__main__":
    main()

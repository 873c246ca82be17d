"""How many shards a finished store has, and how large they are, so that a lost one is noticed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wsiseg.remote.remote_path import RemotePath, as_place

SHARDS = "shards"
"""Where a mask keeps what :func:`count_shards` returned, in its attributes."""

ShardCounts = dict[str, dict[str, int]]
"""By level: the number of `shards` and their `bytes`."""


def count_shards(group: Path) -> ShardCounts:
    """Count the shards of every level of a pyramid.

    What is not there reads as if nothing had been analysed, so no reader would miss it.

    Parameters
    ----------
    group : Path
        With a folder per level.
    """
    group = as_place(group)
    if isinstance(group, RemotePath):
        return _count_objects(group)
    levels = [path for path in group.iterdir() if path.name.isdigit()]
    return {path.name: _count(path) for path in sorted(levels, key=lambda path: int(path.name))}


def _count(level: Path) -> dict[str, int]:
    # Systems leave files of their own beside them.
    shards = [path for path in level.glob("c/**/*") if path.name.isdigit() and path.is_file()]
    return {"shards": len(shards), "bytes": sum(path.stat().st_size for path in shards)}


def _count_objects(group: RemotePath) -> ShardCounts:
    """Count by one list of all objects."""
    found: ShardCounts = {}
    for name, size in group.files_below().items():
        level, *rest = name.split("/")
        if level.isdigit():
            counted = found.setdefault(level, {"shards": 0, "bytes": 0})
            if rest[0] == "c" and rest[-1].isdigit():
                counted["shards"] += 1
                counted["bytes"] += size
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


def find_lost_shards(group: Path, before: Mapping[str, object]) -> str | None:
    """Return which level of a pyramid has lost shards, as a sentence, or None.

    Parameters
    ----------
    group : Path
        With a folder per level.
    before : mapping
        What :func:`count_shards` returned.
    """
    now = count_shards(group)
    for level, counted in before.items():
        if now.get(level) != counted:
            return f"shards of level {level} of {group.name} are missing or cut short"
    return None


def find_missing_shards(group: Path, before: object) -> str | None:
    """Return which level of a pyramid has fewer shards than it had, as a sentence, or None.

    Unlike :func:`find_lost_shards` it bears shards that were written anew, by a program that
    changed some labels.

    Parameters
    ----------
    group : Path
        With a folder per level.
    before : object
        What :func:`count_shards` returned, as attributes hold it; anything else tells nothing.
    """
    if not isinstance(before, Mapping):
        return None
    now = count_shards(group)
    for level, counted in before.items():
        had = counted.get("shards") if isinstance(counted, Mapping) else None
        has = now[level]["shards"] if level in now else 0
        if isinstance(had, int) and had > has:
            return f"{had - has} of {had} shards of level {level} are missing"
    return None

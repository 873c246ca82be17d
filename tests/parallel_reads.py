"""Reads one slide at random places: one after the other, by threads, by processes.

    python tests/parallel_reads.py SLIDE READER READS [FAULT]

Prints a line of JSON: how many places differed, files left open, and megabytes gained.  A fault is
one of `FAULTS`, planted to see that it is noticed; with it there is no spawning, as a new process
would not have it, and no thread that reads on, as a child might wait for its locks for ever.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psutil

from wsiseg.tiling import Box, Slide, open_slide
from wsiseg.tiling.slides import openslide, tiled
from wsiseg.tiling.slides.file_bytes import FileBytes
from wsiseg.tiling.slides.pixels import Pixels

THREADS, PROCESSES = 8, 4

Place = tuple[int, Box]


def places(slide: Slide, seed: int, count: int) -> list[Place]:
    """Return random places, some of them over the edge."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        level = chance.randrange(len(slide.levels))
        height, width = slide.levels[level].box.shape
        y, x = chance.randrange(-20, height), chance.randrange(-20, width)
        found.append((level, Box(y, x, chance.randrange(1, 90), chance.randrange(1, 90))))
    return found


def read(slide: Slide, wanted: Sequence[Place]) -> list[str]:
    """Return a fingerprint of the pixels of each place."""
    return [hashlib.md5(slide.read_region(*place)).hexdigest() for place in wanted]


def differing(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many fingerprints differ."""
    return sum(a != b for a, b in zip(one, other, strict=True))


def by_threads(slide: Slide, wanted: Sequence[Place]) -> list[str]:
    """Read by eight threads that take turns."""
    with ThreadPoolExecutor(THREADS) as pool:
        parts = pool.map(partial(read, slide), [wanted[k::THREADS] for k in range(THREADS)])
        found = list(parts)
    return [found[k % THREADS][k // THREADS] for k in range(len(wanted))]


def by_processes(
    method: str, slide: Slide, wanted: Sequence[Sequence[Place]], *, disturbed: bool
) -> list[list[str]]:
    """Read by four processes, if disturbed while a thread of this one goes on reading."""
    done = threading.Event()
    if not disturbed:
        done.set()

    def disturb() -> None:
        while not done.is_set():
            read(slide, wanted[0][:20])

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        with multiprocessing.get_context(method).Pool(PROCESSES, _hold, (slide,)) as pool:
            return pool.map(_read_held, wanted, chunksize=1)
    finally:
        done.set()
        disturbing.join()


def _hold(slide: Slide) -> None:
    _HELD.append(slide)


def _read_held(wanted: Sequence[Place]) -> list[str]:
    return read(_HELD[0], wanted)


_HELD: list[Slide] = []


def seek_and_read(file: FileBytes, start: int, count: int) -> bytes:
    """Move the position that all readers share, as a plain file does."""
    os.lseek(file._file.fileno(), start, os.SEEK_SET)
    return os.read(file._file.fileno(), count)


def share_a_buffer() -> None:
    """Give all pixels of one shape in the same memory."""
    plain, buffers = openslide.read_pixels, {}

    def read_pixels(*words: Any) -> Pixels:
        pixels = plain(*words)
        buffer = buffers.setdefault(pixels.shape, pixels.copy())
        buffer[:] = pixels
        return buffer

    openslide.read_pixels = read_pixels


FAULTS: dict[str, Callable[[], object]] = {
    "a position is shared": lambda: setattr(FileBytes, "read", seek_and_read),
    "a buffer is shared": share_a_buffer,
}


def main(path: str, reader: str, reads: int, fault: str = "") -> None:
    """Compare all ways of reading with the plain one."""
    if fault:
        FAULTS[fault]()
    # Every reading goes to the file, from any process.
    tiled.CACHE_BYTES = openslide.OPENSLIDE_CACHE_BYTES = 20_000
    openslide._BLOCK = 64
    process = psutil.Process()
    files = len(process.open_files())
    with open_slide(path, reader) as slide:
        wanted = [places(slide, seed, reads) for seed in range(PROCESSES)]
        expected = [read(slide, part) for part in wanted]
        everything = [place for part in wanted for place in part]
        expected_everything = [found for part in expected for found in part]
        differ = {"threads": differing(by_threads(slide, everything), expected_everything)}
        before = process.memory_info().rss
        differ["threads"] += differing(by_threads(slide, everything), expected_everything)
        gained = process.memory_info().rss - before
        for method in ("fork",) if fault else ("fork", "spawn"):
            found = by_processes(method, slide, wanted, disturbed=not fault)
            differ[method] = sum(map(differing, found, expected))
    answer = {
        "differ": differ,
        "files_left": len(process.open_files()) - files,
        "gained_mb": gained / 2**20,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])

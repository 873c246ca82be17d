"""Reading a slide tile by tile: wsiseg's reader and `openslide.read_region`, in turn.

Both read the same boxes, those of a grid with its halo, and end with pixels in memory: RGB here,
RGBA there.  A round is one pass over the boxes by one, then by the other; ratios are taken per
round and their median is printed.  Time of one thread is processor time, so that other work on the
machine counts as little as may be.

    python benchmarks/reading.py [SLIDE …]

The demonstration slide is built and measured where none is named.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import openslide

from wsiseg.demo.slide import build_demo_slide
from wsiseg.tiling import Slide, open_slide
from wsiseg.tiling.grid import Tile, TileGrid
from wsiseg.tiling.reading import TileReader
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level

HALO, MULTIPLE = 64, 16
EDGES = (512, 1024, 2304)
Clock = Callable[[], float]
Side = Callable[[], float]

PIXELS = 150_000_000
"""Of a pass, at most: all of the demonstration slide, of larger ones rows from the middle."""


def tiles_of(plane: WorkingPlane, edge: int) -> list[Tile]:
    """Return the tiles of whole rows around the middle of a plane."""
    grid = TileGrid.fitting(plane.box.shape, edge, HALO, MULTIPLE, shrink=True)
    count = max(1, min(len(grid.rows), PIXELS // (len(grid.columns) * grid.tile[0] * grid.tile[1])))
    first = (len(grid.rows) - count) // 2
    wide = len(grid.columns)
    return [grid[index] for index in range(first * wide, (first + count) * wide)]


def ours(
    path: Path, plane: WorkingPlane, tiles: Sequence[Tile], threads: int, clock: Clock
) -> float:
    """Return the seconds of reading tiles as a run does."""
    with (
        open_slide(path) as slide,
        TileReader(slide, plane, threads=threads, ahead=threads + 1) as reader,
    ):
        start = clock()
        for batch in reader.batches(tiles, 1):
            assert batch[0].error is None
        return clock() - start


def theirs(
    path: Path, tiles: Sequence[Tile], threads: int, clock: Clock, *, rgb: bool = False
) -> float:
    """Return the seconds of reading the same boxes with OpenSlide, its cache as it is."""

    def read(tile: Tile) -> None:
        box = tile.box
        picture = slide.read_region((box.x, box.y), 0, (box.width, box.height))
        if rgb:
            np.asarray(picture.convert("RGB"))

    with openslide.OpenSlide(path) as slide, ThreadPoolExecutor(threads) as pool:
        start = clock()
        for _ in pool.map(read, tiles):
            pass
        return clock() - start


def rounds(one: Side, other: Side, count: int) -> list[tuple[float, float]]:
    """Return the seconds of both sides, who begin by turns."""
    pairs = []
    for number in range(count):
        if number % 2:
            pairs.append((one(), other()))
        else:
            last = other()
            pairs.append((one(), last))
    return pairs


def line(name: str, megapixels: float, pairs: Sequence[tuple[float, float]]) -> str:
    """Return a row of figures."""
    one, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratios = sorted(b / a for a, b in pairs)
    return (
        f"{name:42} {megapixels / one:8.0f} {megapixels / other:8.0f} "
        f"{statistics.median(ratios):8.2f}   {ratios[0]:.2f} to {ratios[-1]:.2f}"
    )


def measure(path: Path, count: int) -> None:
    """Print the figures of one slide."""
    with open_slide(path) as slide:
        plane = plane_at_level(slide, 0)
        print(f"\n{path.name}: reader {slide.reader}, file tiles {slide.facts.tile_shape}")
        for edge in EDGES:
            compare(path, plane, tiles_of(plane, edge), count)
        middle = tiles_of(plane, 1024)
        compare(path, plane, middle, count, rgb=True)
        compare(path, plane, middle, count, threads=2)
        size = sum(tile.box.area for tile in middle) / 1e6
        both, single = (
            partial(ours, path, plane, middle, threads, time.perf_counter) for threads in (2, 1)
        )
        print(line("two threads over one, by the wall", size, rounds(both, single, count)))
        if slide.reductions(0):
            compare_reduced(path, slide, count)


def compare(
    path: Path,
    plane: WorkingPlane,
    tiles: Sequence[Tile],
    count: int,
    *,
    threads: int = 1,
    rgb: bool = False,
) -> None:
    """Print how fast both sides are with tiles of one size."""
    size = sum(tile.box.area for tile in tiles) / 1e6
    clock = time.process_time if threads == 1 else time.perf_counter
    one = partial(ours, path, plane, tiles, threads, clock)
    other = partial(theirs, path, tiles, threads, clock, rgb=rgb)
    name = f"tiles of {tiles[0].box.height}"
    name += ", theirs made RGB" * rgb + f", {threads} threads by the wall" * (threads > 1)
    print(line(name, size, rounds(one, other, count)))


def compare_reduced(path: Path, slide: Slide, count: int) -> None:
    """Print what reading at half the finest resolution gains by decoding JPEG at half its scale.

    As if the slide had no level of that resolution, which scanners often leave out.
    """
    height, width = (edge // 2 for edge in slide.levels[0].box.shape)
    plane = WorkingPlane(height, width, level=0, level_scale=2.0, slide_scale=2.0, mpp=None)
    tiles = tiles_of(plane, 1024)
    half = partial(ours, path, plane, tiles, 1, time.process_time)

    def whole() -> float:
        with mock.patch.object(type(slide), "reductions", return_value=()):
            return half()

    size = sum(tile.box.area for tile in tiles) / 1e6
    print(line("at half resolution, over decoding whole", size, rounds(half, whole, count)))


def main() -> None:
    """Measure every slide that is named, or the demonstration slide."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slides", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print(f"{'':42} {'wsiseg':>8} {'other':>8} {'ratio':>8}   of single rounds; Mpx/s")
    with tempfile.TemporaryDirectory() as name:
        slides = arguments.slides or [build_demo_slide(Path(name) / "demo.tiff")]
        for path in slides:
            measure(path, arguments.rounds)


if __name__ == "__main__":
    main()

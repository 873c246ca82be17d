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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest import mock

import openslide

from wsiseg.demo.slide import build_demo_slide
from wsiseg.tiling import Slide, open_slide
from wsiseg.tiling.grid import Tile, TileGrid
from wsiseg.tiling.reading import TileReader
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level

HALO, MULTIPLE = 64, 16
EDGES = (512, 1024, 2304)
PIXELS = 40_000_000
"""Of a pass, at most: some rows from the middle of the slide, where the tissue is."""


def tiles_of(plane: WorkingPlane, edge: int) -> list[Tile]:
    """Return the tiles of whole rows around the middle of a plane."""
    grid = TileGrid.fitting(plane.box.shape, edge, HALO, MULTIPLE, shrink=True)
    count = max(1, min(len(grid.rows), PIXELS // (len(grid.columns) * grid.tile[0] * grid.tile[1])))
    first = (len(grid.rows) - count) // 2
    return [tile for tile in grid if first <= tile.row < first + count]


def ours(path: Path, plane: WorkingPlane, tiles: Sequence[Tile], threads: int = 1) -> None:
    """Read tiles as a run does."""
    with (
        open_slide(path) as slide,
        TileReader(slide, plane, threads=threads, ahead=threads + 1) as reader,
    ):
        for batch in reader.batches(tiles, 1):
            assert batch[0].error is None


def theirs(path: Path, level: int, tiles: Sequence[Tile], threads: int = 1) -> None:
    """Read the same boxes with OpenSlide, as RGBA, its cache as it is."""
    with openslide.OpenSlide(path) as slide, ThreadPoolExecutor(threads) as pool:
        scale = slide.level_downsamples[level]
        boxes = [tile.box for tile in tiles]
        corners = [(round(box.x * scale), round(box.y * scale)) for box in boxes]

        def read(index: int) -> None:
            slide.read_region(corners[index], level, boxes[index].shape[::-1])

        for _ in pool.map(read, range(len(boxes))):
            pass


def rounds(
    one: Callable[[], None], other: Callable[[], None], count: int, clock: Callable[[], float]
) -> Iterator[tuple[float, float]]:
    """Yield the seconds of both sides, who begin by turns."""
    for number in range(count):
        seconds = {}
        for side in (one, other) if number % 2 else (other, one):
            start = clock()
            side()
            seconds[side] = clock() - start
        yield seconds[one], seconds[other]


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
        print(f"\n{path.name}: {slide.facts.compression}, file tiles {slide.facts.tile_shape}")
        for edge in EDGES:
            tiles = tiles_of(plane, edge)
            size = sum(tile.box.area for tile in tiles) / 1e6
            pairs = list(
                rounds(
                    lambda tiles=tiles: ours(path, plane, tiles),
                    lambda tiles=tiles: theirs(path, 0, tiles),
                    count,
                    time.process_time,
                )
            )
            print(line(f"tiles of {tiles[0].box.height}, one thread", size, pairs))
        tiles = tiles_of(plane, 1024)
        size = sum(tile.box.area for tile in tiles) / 1e6
        both = list(
            rounds(
                lambda: ours(path, plane, tiles, threads=2),
                lambda: theirs(path, 0, tiles, threads=2),
                count,
                time.perf_counter,
            )
        )
        print(line("two threads, wall clock", size, both))
        alone = list(
            rounds(
                lambda: ours(path, plane, tiles, threads=2),
                lambda: ours(path, plane, tiles, threads=1),
                count,
                time.perf_counter,
            )
        )
        print(line("two threads over one, wall clock", size, alone))
        if slide.reductions(0):
            reduced(path, slide, count)


def reduced(path: Path, slide: Slide, count: int) -> None:
    """Print what reading at half the finest resolution gains by decoding JPEG at half its scale.

    As if the slide had no level of that resolution, which scanners often leave out.
    """
    plane = replace(plane_at_level(slide, 0), height=slide.levels[0].height // 2)
    plane = replace(plane, width=slide.levels[0].width // 2, level_scale=2.0, slide_scale=2.0)
    tiles = tiles_of(plane, 1024)
    size = sum(tile.box.area for tile in tiles) / 1e6

    def whole() -> None:
        with mock.patch.object(type(slide), "reductions", return_value=()):
            ours(path, plane, tiles)

    pairs = list(rounds(lambda: ours(path, plane, tiles), whole, count, time.process_time))
    print(line("at half resolution, over decoding whole", size, pairs))


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

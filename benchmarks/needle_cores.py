"""How much is computed on a slide of needle biopsies, beside the tissue that there is.

Three cores of 1 × 15 mm, slightly curved and turned by up to 15°, lie on a slide of 40000×20000
pixels at 0.5 µm per pixel.  Each slide is planned as ``wsiseg segment`` plans it, and with a grid
of tiles.  Nothing is segmented.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import make_plan
from wsiseg.segmentation.segmenting import make_predictor
from wsiseg.tiling.slides import open_slide

HEIGHT, WIDTH, STEP = 20_000, 40_000, 8
LENGTH, THICKNESS = 30_000, 2_000
FILE_TILE = 512
GRID_TILE = 2_048

Mask = np.ndarray[tuple[int, int], np.dtype[np.bool_]]


def draw_cores(random: np.random.Generator) -> Mask:
    """Return where three cores lie, at an eighth of the resolution."""
    y, x = np.mgrid[: HEIGHT // STEP, : WIDTH // STEP] * float(STEP) + STEP / 2
    found = np.zeros(y.shape, bool)
    for middle in (4_000, 10_000, 16_000):
        turn, bow = np.deg2rad(random.uniform(-15, 15)), random.uniform(-600, 600)
        along = (x - WIDTH / 2) * np.cos(turn) + (y - middle) * np.sin(turn)
        across = (y - middle) * np.cos(turn) - (x - WIDTH / 2) * np.sin(turn)
        bent = across - bow * ((2 * along / LENGTH) ** 2 - 1 / 3)
        found |= (abs(along) < LENGTH / 2) & (abs(bent) < THICKNESS / 2)
    return found


def write_slide(cores: Mask, path: Path, random: np.random.Generator) -> None:
    """Write a pyramid on which the cores are pink and uneven, and the glass is grey."""
    grain = random.integers(0, 30, (FILE_TILE, FILE_TILE, 3))
    pink = (np.array([200, 130, 170]) - grain).astype(np.uint8)

    def tiles(factor: int) -> Iterator[np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]]:
        for top in range(0, HEIGHT // factor, FILE_TILE):
            for left in range(0, WIDTH // factor, FILE_TILE):
                rows = (np.arange(top, top + FILE_TILE) * factor // STEP).clip(max=len(cores) - 1)
                columns = np.arange(left, left + FILE_TILE) * factor // STEP
                inside = cores[np.ix_(rows, columns.clip(max=cores.shape[1] - 1))]
                yield np.where(inside[..., None], pink, np.uint8(243))

    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for number, factor in enumerate((1, 4, 16)):
            file.write(
                tiles(factor),
                shape=(HEIGHT // factor, WIDTH // factor, 3),
                dtype="uint8",
                tile=(FILE_TILE, FILE_TILE),
                photometric="rgb",
                compression="jpeg",
                subfiletype=int(number > 0),
                resolution=(20_000 / factor, 20_000 / factor),
                resolutionunit="CENTIMETER",
            )


def main() -> None:
    """Plan some slides, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slides", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    options = SegmentOptions()
    predictor = make_predictor(None, options)
    print("computed over tissue drawn, over tissue found; grid over drawn; tiles, shapes")
    for _ in range(arguments.slides):
        cores = draw_cores(random)
        drawn = int(cores.sum()) * STEP**2
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "cores.tif")
            write_slide(cores, path, random)
            with open_slide(path) as slide:
                plan = make_plan(slide, predictor, options)
                grid = make_plan(slide, predictor, options.replace(tile=GRID_TILE, halo=64))
        computed = plan.computed_pixels
        print(
            f"{computed / drawn:.3f}  {computed / plan.wanted_pixels:.3f}  "
            f"{grid.computed_pixels / drawn:.3f}  {len(plan.cover.tiles)}  {plan.cover.shapes}"
        )


if __name__ == "__main__":
    main()

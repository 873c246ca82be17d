"""A slide of 100000×100000 pixels that is glass but for three small sections.

Prints the time to the first tile, the peak memory beside what the plan asks for, and how many files
and bytes the mask takes; once with a pyramid in the slide, and with ``--flat`` without one, so that
tissue is sought in all of level 0.  Tiles of glass are not in the file at all where ``--holes`` is
given (no offset, no bytes, as some scanners and GDAL write them), and are all the same else.

    python benchmarks/sparse_slide.py [--edge 100000] [--flat] [--holes]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from wsiseg.demo.sections import TISSUE

TILE, MPP = 512, 0.5
PLACES = ((0.1, 0.15), (0.52, 0.48), (0.9, 0.85))
"""Where the sections lie, from the top and from the left."""

ONLY_IMPORTS = (
    "import openvino, openslide, scipy.ndimage, shapely, skimage.filters, tifffile, zarr;"
    "import wsiseg.segmentation.segmenting;"
    "from wsiseg.throughput.hardware import peak_rss_mb; print(peak_rss_mb())"
)

CHILD = """
import json, sys, time
begun = time.perf_counter()
import wsiseg
from wsiseg.segmentation.listener import Listener

class First(Listener):
    planned_mb = planned_at = first = None

    def planned(self, job):
        self.planned_at = time.perf_counter() - begun
        self.planned_mb = job.plan.memory.total / 2**20

    def advanced(self, pixels):
        if self.first is None:
            self.first = time.perf_counter() - begun

first = First()
result = wsiseg.segment(sys.argv[1], output=sys.argv[2], listener=first, overwrite=True)
told = {key: result.summary[key] for key in ("tiles", "megapixels", "peak_rss_mb", "seconds")}
seconds = {"planned": first.planned_at, "first": first.first, "all": time.perf_counter() - begun}
print(json.dumps({**told, "mask": str(result.mask), "plan_mb": first.planned_mb, **seconds}))
"""

Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]


def write_slide(path: Path, edge: int, *, flat: bool, holes: bool) -> None:
    """Write the slide: JPEG tiles, those of glass the same or left out.

    Parameters
    ----------
    path : Path
        A ``.tiff`` file.
    edge : int
        Pixels along an edge.
    flat : bool
        Whether it has level 0 only.
    holes : bool
        Whether tiles of glass are left out.
    """
    with tifffile.TiffFile(TISSUE) as file:
        section = file.pages.first.asarray()
    glass = _encode(np.full((TILE, TILE, 3), 243, np.uint8))
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for factor in (1,) if flat else (1, 4, 16, 64):
            file.write(
                _tiles(section[::factor, ::factor], edge // factor, b"" if holes else glass),
                shape=(edge // factor, edge // factor, 3),
                dtype="uint8",
                tile=(TILE, TILE),
                photometric="rgb",
                compression="jpeg",
                subfiletype=int(factor > 1),
                resolution=(1e4 / (MPP * factor),) * 2,
                resolutionunit="CENTIMETER",
                metadata=None,
            )


def _tiles(section: Pixels, edge: int, glass: bytes) -> Iterator[bytes]:
    height, width = section.shape[:2]
    corners = [(int(y * (edge - height)), int(x * (edge - width))) for y, x in PLACES]
    for top in range(0, edge, TILE):
        for left in range(0, edge, TILE):
            tile, edges = None, (top, left)
            for corner in corners:
                firsts = [max(pair) for pair in zip(corner, edges, strict=True)]
                lasts = [min(corner[k] + (height, width)[k], edges[k] + TILE) for k in (0, 1)]
                if firsts[0] < lasts[0] and firsts[1] < lasts[1]:
                    tile = np.full((TILE, TILE, 3), 243, np.uint8) if tile is None else tile
                    spans = list(zip(firsts, lasts, strict=True))
                    there = tuple(
                        slice(a - edges[k], b - edges[k]) for k, (a, b) in enumerate(spans)
                    )
                    here = tuple(
                        slice(a - corner[k], b - corner[k]) for k, (a, b) in enumerate(spans)
                    )
                    tile[there] = section[here]
            yield glass if tile is None else _encode(tile)


def _encode(tile: Pixels) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(tile, level=85, colorspace="rgb", outcolorspace="rgb"))


def main() -> None:
    """Build the slide, segment it twice, and print the second one's figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edge", type=int, default=100_000)
    parser.add_argument("--flat", action="store_true")
    parser.add_argument("--holes", action="store_true")
    arguments = parser.parse_args()
    imports = float(
        subprocess.run(
            [sys.executable, "-c", ONLY_IMPORTS], check=True, capture_output=True, text=True
        ).stdout
    )
    with tempfile.TemporaryDirectory() as name:
        slide = Path(name, "sparse.tiff")
        write_slide(slide, arguments.edge, flat=arguments.flat, holes=arguments.holes)
        print(f"slide             {arguments.edge}×{arguments.edge}, {_size(slide.stat().st_size)}")
        for _ in range(2):
            run = subprocess.run(
                [sys.executable, "-c", CHILD, str(slide), name],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
        told = json.loads(run.stdout)
        mask = Path(told["mask"])
        files = [path for path in mask.rglob("*") if path.is_file()]
        print(f"analysed          {told['megapixels']:.1f} Mpx in {told['tiles']} tiles")
        print(f"plan after        {told['planned']:.2f} s")
        print(f"first tile after  {told['first']:.2f} s, imports and opening included")
        print(f"all               {told['all']:.2f} s")
        print(f"memory            {told['peak_rss_mb']:.0f} MiB at most, {imports:.0f} by imports")
        print(f"the plan asks for {told['plan_mb']:.0f} MiB on top of imports")
        print(
            f"files in the mask {len(files)}, {_size(sum(path.stat().st_size for path in files))}"
        )


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


if __name__ == "__main__":
    main()

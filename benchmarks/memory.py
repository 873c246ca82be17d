"""Peak memory of segmenting the 10000×12000 demonstration slide, and one twice as high.

Each run is a process of its own, the second of its kind, so that what is kept between runs is kept;
the memory of a process that only imports the same packages is taken off.

    python benchmarks/memory.py [--blend crop]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from wsiseg.demo.slide import HEIGHT, WIDTH, build_demo_slide

ONLY_IMPORTS = (
    "import openvino, openslide, scipy.ndimage, shapely, skimage.filters, tifffile, zarr;"
    "import wsiseg.segmentation.segmenting;"
    "from wsiseg.throughput.hardware import peak_rss_mb; print(peak_rss_mb())"
)
LIMIT_MIB = 1536


def peak_of_imports() -> float:
    """Return the peak of a process that does nothing, in MiB."""
    run = subprocess.run(
        [sys.executable, "-c", ONLY_IMPORTS], check=True, capture_output=True, text=True
    )
    return float(run.stdout)


def peak_of_run(slide: Path, folder: Path, blend: str) -> float:
    """Return the peak of a process that segments a slide, in MiB."""
    command = [sys.executable, "-m", "wsiseg", "segment", str(slide), "-o", str(folder)]
    for _ in range(2):
        run = subprocess.run(
            [*command, "--blend", blend, "--json", "--quiet", "--overwrite"],
            check=True,
            capture_output=True,
            text=True,
        )
    return float(json.loads(run.stdout)["slides"][0]["peak_rss_mb"])


def main() -> None:
    """Measure both slides and print what they need on top of the imports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blend", default="crop")
    blend = parser.parse_args().blend
    imports = peak_of_imports()
    print(f"imports alone        {imports:7.0f} MiB")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for height in (HEIGHT, 2 * HEIGHT):
            slide = build_demo_slide(folder / f"high{height}.tiff", height, WIDTH)
            above = peak_of_run(slide, folder, blend) - imports
            print(f"{height:6}×{WIDTH}  above {above:7.0f} MiB   (limit for {blend}: {LIMIT_MIB})")


if __name__ == "__main__":
    main()

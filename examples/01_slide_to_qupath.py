"""Segment a slide on the command line, and take the mask to QuPath.

    python examples/01_slide_to_qupath.py -o out/

In QuPath, open the slide and drag the GeoJSON file onto it.
"""

import argparse
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

SLIDE = files("wsiseg.demo") / "CMU-1-Small-Region.svs"


def wsiseg(*words: object) -> None:
    """Run a command as you would type it, and show it."""
    print("$ wsiseg", *words, flush=True)
    subprocess.run([sys.executable, "-m", "wsiseg", *map(str, words)], check=True)


def main(folder: Path) -> Path:
    """Leave a mask and its outlines in a folder."""
    wsiseg("segment", SLIDE, "-o", folder, "--mpp", 1)
    mask, outlines = folder / "CMU-1-Small-Region.ome.zarr", folder / "nuclei.geojson"
    wsiseg("export", mask, "--to", "geojson", "--classes", "nucleus", "-o", outlines)
    features = json.loads(outlines.read_text(encoding="utf-8"))["features"]
    print(f"{outlines}: {len(features)} outlines for QuPath")
    return outlines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out"))
    main(parser.parse_args().output)

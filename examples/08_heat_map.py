"""Turn the probabilities of a class into a heat map over the slide.

python examples/08_heat_map.py -o out/
"""

import argparse
from importlib.resources import files
from pathlib import Path

import numpy as np
import zarr
from PIL import Image

import wsiseg
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.resolution import plane_at_mpp

SLIDE = Path(str(files("wsiseg.demo") / "CMU-1-Small-Region.svs"))
MPP = 2.0


def main(folder: Path, name: str = "nucleus") -> Path:
    """Return a picture: the slide in grey, the more red the likelier the class."""
    result = wsiseg.segment(SLIDE, output=folder, mpp=MPP, tissue="none", probabilities=True)
    store = result.mask.with_name("CMU-1-Small-Region.probabilities.ome.zarr")
    number = [entry["name"] for entry in result.summary["classes"]].index(name)
    # uint8 (classes, height, width); 255 is 1.0.
    share = zarr.open_array(store / "0", mode="r")[number] / 255
    with wsiseg.open_slide(SLIDE) as slide:
        plane = plane_at_mpp(slide, MPP)
        grey = read_working_box(slide, plane, plane.box).mean(axis=2)
    heat = np.stack([np.maximum(grey, 255 * share), grey * (1 - share), grey * (1 - share)], axis=2)
    path = folder / f"{name}.png"
    Image.fromarray(heat.astype(np.uint8)).save(path)
    print(path)
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out"))
    main(parser.parse_args().output)

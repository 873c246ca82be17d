"""Segment a slide from Python, and look at the mask in napari.

    python examples/02_look_in_napari.py -o out/

Segment, correct and fine-tune in the tabs at the right; the window stays until you close it.
"""

import argparse
from importlib.resources import files
from pathlib import Path

import napari

import wsiseg
from wsiseg.viewer.window import open_window

SLIDE = Path(str(files("wsiseg.demo") / "CMU-1-Small-Region.svs"))


def main(folder: Path) -> napari.Viewer:
    """Return a window with the slide and its mask."""
    result = wsiseg.segment(SLIDE, output=folder, mpp=1.0)
    for entry in result.summary["classes"]:
        print(f"{entry['name']}: {entry['mm2']:.3f} mm²")
    return open_window(SLIDE, [result.mask])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out"))
    main(parser.parse_args().output)
    napari.run()

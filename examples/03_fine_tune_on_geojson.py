"""Fine-tune the bundled checkpoint on areas that were drawn in QuPath.

    python examples/03_fine_tune_on_geojson.py -o out/

The drawing is made here, of two fields of the slide that comes with wsiseg; yours is what QuPath
exports by *File, Export objects as GeoJSON*.
"""

import argparse
import json
import shutil
from importlib.resources import files
from pathlib import Path

import wsiseg

SLIDE = Path(str(files("wsiseg.demo") / "CMU-1-Small-Region.svs"))

# Corners in pixels of the slide, x before y as in QuPath.
AREAS = {
    "stroma": [(200, 250), (700, 250), (700, 700), (200, 700)],
    "epithelium": [(900, 1200), (1400, 1200), (1400, 1700), (900, 1700)],
}


def draw(path: Path) -> None:
    """Write the areas as QuPath does."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
            "properties": {"objectType": "annotation", "classification": {"name": name}},
        }
        for name, corners in AREAS.items()
    ]
    content = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(content), encoding="utf-8")


def main(folder: Path) -> Path:
    """Return the checkpoint that was trained."""
    slides, drawn = folder / "slides", folder / "drawn"
    for each in (slides, drawn):
        each.mkdir(parents=True, exist_ok=True)
    # Slides and annotations belong together by their names.
    shutil.copy(SLIDE, slides / "biopsy.svs")
    draw(drawn / "biopsy.geojson")
    data = wsiseg.DataOptions(slides=slides, annotations=drawn)
    run = wsiseg.train(data, "nuclei", folder / "run", mpp=1.0, epochs=2, tile=128, seed=0)
    result = wsiseg.segment(SLIDE, run.checkpoint, folder / "masks", mpp=1.0)
    print(f"{run.checkpoint}: {[entry['name'] for entry in result.summary['classes']]}")
    return Path(run.checkpoint)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out"))
    main(parser.parse_args().output)

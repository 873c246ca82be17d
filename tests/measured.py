"""A mask to measure, the regions to measure it in, and the tables that are written."""

import csv
import json
from pathlib import Path

import shapely

from stored_masks import draw_cells

MPP, SIDE = 0.5, 2.0
LABELS = draw_cells(300, 220, seed=5)
LABELS[:20, :30] = 255
PIXEL = MPP**2 / 1e6


def read(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def regions(path, *shapes):
    """Write GeoJSON of named shapes."""
    features = [
        {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(shape)}
        for properties, shape in shapes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path

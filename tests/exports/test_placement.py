"""Exports lie on the slide to half a pixel of the mask: with bounds, resampled, uneven pixels."""

import dataclasses
import json

import numpy as np
import pytest
import shapely
import tifffile

import wsiseg
from array_slide import ArraySlide
from reddish import CLASSES, reddish_checkpoint
from wsiseg.tiling.boxes import Box

HEIGHT, WIDTH = 400, 500
"""Pixels of the file."""

BLUE = Box(83, 101, 120, 160)
"""What is blue on the slide, in pixels of the file; all else is red."""


def pixels():
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    drawn[BLUE.y : BLUE.bottom, BLUE.x : BLUE.right] = 1
    return np.array([entry.colour for entry in CLASSES], np.uint8)[drawn]


def uneven(folder, height, width):
    """Write a slide with pixels of a height and a width in µm."""
    path = folder / "uneven.tif"
    resolution = {"resolution": (1e4 / width, 1e4 / height), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, pixels(), tile=(64, 64), photometric="rgb", metadata=None, **resolution)
    return path


def scanned(bounds):
    slide = ArraySlide(pixels(), mpp=0.25)
    slide.facts = dataclasses.replace(slide.facts, bounds=bounds)
    return slide


@pytest.mark.parametrize("work", [0.25, 0.37, 1.0], ids=str)
@pytest.mark.parametrize("kind", ["plain", "bounds", "wide", "high"])
def test_polygons_lie_on_the_slide(tmp_path, kind, work):
    corner, pixel = (0, 0), (0.25, 0.25)
    if kind in ("wide", "high"):
        pixel = (0.25, 0.5) if kind == "wide" else (0.5, 0.25)
        slide = uneven(tmp_path, *pixel)
    else:
        bounds = Box(31, 47, 300, 400) if kind == "bounds" else None
        corner = (0, 0) if bounds is None else (bounds.y, bounds.x)
        slide = scanned(bounds)
    checkpoint = reddish_checkpoint(work)
    options = {"runtime": "torch", "tissue": "none"}
    mask = wsiseg.segment(slide, checkpoint, tmp_path / "out", **options).mask
    file = wsiseg.export(mask, "geojson", tmp_path / "a.geojson", classes=["blue"]).output
    (feature,) = json.loads(file.read_text())["features"]
    assert feature["properties"]["classification"] == {"name": "blue", "color": [0, 0, 255]}
    left, top, right, bottom = shapely.geometry.shape(feature["geometry"]).bounds
    half_y, half_x = (work / length / 2 + 1e-3 for length in pixel)
    assert (top, bottom) == pytest.approx((BLUE.y - corner[0], BLUE.bottom - corner[0]), abs=half_y)
    assert (left, right) == pytest.approx((BLUE.x - corner[1], BLUE.right - corner[1]), abs=half_x)
    # The table of components says the same.
    options = {"components": True, "classes": ["blue"], "coordinates": "bounds"}
    row = {
        key: column[0]
        for key, column in wsiseg.measure(mask, **options).tables["components"].items()
    }
    assert (row["box_x"], row["box_y"]) == pytest.approx((left, top), abs=1e-3)
    ends = (row["box_x"] + row["box_width"], row["box_y"] + row["box_height"])
    assert ends == pytest.approx((right, bottom), abs=1e-3)
    centre = shapely.geometry.shape(feature["geometry"]).centroid
    assert (row["centroid_x"], row["centroid_y"]) == pytest.approx((centre.x, centre.y), abs=1e-3)


def test_names_stay_text(tmp_path):
    """Neither the file's name nor that of a class is more than a name."""
    from stored_masks import write_mask
    from wsiseg.classes import LabelClass

    hostile = '<script>alert(1)</script>"}]\u2028\x1b[31m'
    labels = np.zeros((5, 6), np.uint8)
    path = write_mask(
        tmp_path, labels, classes=[LabelClass(hostile, (1, 2, 3))], slide=f"{hostile}.svs"
    )
    file = wsiseg.export(path, "geojson", tmp_path / "<script>alert(1)<.geojson").output
    (feature,) = json.loads(file.read_text())["features"]
    assert feature["properties"]["classification"]["name"] == hostile
    assert file.read_bytes().isascii()

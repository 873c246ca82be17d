"""Masks that may be of another slide: its name says so, or the tissue that is not there."""

import numpy as np
import pytest
import tifffile

from tiny import segment_tiny
from wsiseg.classes import numbered_classes
from wsiseg.store.metadata import Placement
from wsiseg.store.painted_masks import PaintedPart, write_painted_mask
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.viewer.doubts import doubts_of
from wsiseg.viewer.layers.layer_data import KEY
from wsiseg.viewer.opening import scene_layers

HEIGHT, WIDTH = 1000, 1400


@pytest.fixture
def slides(tmp_path):
    """Two slides, with tissue on the left and on the right."""
    random, paths = np.random.default_rng(0), []
    for name, left in (("left", 100), ("right", 800)):
        pixels = random.integers(236, 243, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        tissue = random.integers(-20, 20, (800, 500, 3)) + np.array([170, 90, 150])
        pixels[100:900, left : left + 500] = tissue
        paths.append(tmp_path / f"{name}.tiff")
        tags = {"resolution": (2e4, 2e4), "resolutionunit": "CENTIMETER", "metadata": None}
        tifffile.imwrite(paths[-1], pixels, tile=(256, 256), photometric="rgb", **tags)
    return paths


def paint(path, slide):
    """Paint squares on the left at a quarter of the slide's resolution; return the store."""
    labels = np.full((HEIGHT // 4, WIDTH // 4), NO_LABEL, np.uint8)
    for number, top in enumerate(range(40, 200, 40)):
        labels[top : top + 20, 50:80] = number % 2
    part = PaintedPart(
        labels,
        Box(0, 0, *labels.shape),
        labels.shape,
        Placement(2.0, 4.0),
        tuple(numbered_classes(2)),
        slide.name,
    )
    write_painted_mask(path, part)
    return path


def views(slide, mask):
    (_, below, _), _, (_, above, _) = scene_layers(slide, [mask])
    return above["metadata"][KEY], below["metadata"][KEY]


def test_a_painting_beside_the_tissue_is_doubted(slides, tmp_path):
    left, right = slides
    assert doubts_of(*views(left, paint(tmp_path / "a.ome.zarr", left))) == []
    (said,) = doubts_of(*views(right, paint(tmp_path / "b.ome.zarr", right)))
    line = "b.ome.zarr: 4 of 4 painted areas lie outside the tissue: are they of right.tiff?"
    assert said == line


def test_the_name_of_the_slide_says_more(slides, tmp_path):
    left, right = slides
    (said,) = doubts_of(*views(right, paint(tmp_path / "a.ome.zarr", left)))
    assert said == "a.ome.zarr is a mask of left.tiff, and may lie wrong on this slide."
    # What a run made of this very slide is not doubted, wherever it was told to look.
    mask, view = views(left, segment_tiny(left, tmp_path, mpp=2.0))
    assert doubts_of(mask, view) == []
    assert doubts_of(mask, None) == []

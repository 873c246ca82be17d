"""Finished masks on disk, made of arrays."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from wsiseg.classes import LabelClass
from wsiseg.store.masks import MaskStore
from wsiseg.store.metadata import Placement
from wsiseg.tiling.bands import Band
from wsiseg.tiling.boxes import Box

CLASSES = (
    LabelClass("ground", (250, 240, 230)),
    LabelClass("gland", (200, 0, 90)),
    LabelClass("Tumour: <b>&", (10, 20, 250)),
)


def write_mask(
    folder,
    labels,
    *,
    mpp=0.5,
    slide_scale=1.0,
    classes=CLASSES,
    slide="a.svs",
    bounds=None,
    stretch=(1.0, 1.0),
    probabilities=None,
    finish=True,
):
    """Write what `wsiseg segment` leaves of a slide, and return the store."""
    path = Path(folder, "a.ome.zarr")
    beside = None if probabilities is None else Path(folder, "a.probabilities.ome.zarr")
    store = MaskStore(path, labels.shape, classes, probabilities=beside)
    for top in range(0, len(labels), 1024):
        part = labels[top : top + 1024]
        likely = None if probabilities is None else probabilities[:, top : top + 1024]
        store.write(Band(Box(top, 0, *part.shape), part, likely))
    if finish:
        notes = {
            "slide": slide,
            "slide_scale": slide_scale,
            "stretch": list(stretch),
            "bounds": None if bounds is None else asdict(bounds),
        }
        store.finish("a", Placement(mpp, slide_scale), notes)
    return path


def draw_cells(height, width, seed=0):
    """Return labels of some hundred roundish cells on a ground with holes and other tissue."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.random((height, width)), 4)
    cuts = np.quantile(noise, [0.05, 0.7, 0.93])
    return np.array([255, 0, 1, 2], np.uint8)[np.digitize(noise, cuts)]

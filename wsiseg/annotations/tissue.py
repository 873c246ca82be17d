"""Reads tissue masks of other programs: a picture or a label image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.stores import place_store
from wsiseg.errors import AnnotationError
from wsiseg.store.label_images import LabelImage, is_store, open_label_image
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.tissue import Mask, TissueMask
from wsiseg.tiling.tissue_picture import read_tissue_picture

_FINEST_EDGE = 4096
"""The longer side of what is kept of a store, at most."""

_BLOCK = 4096
"""Edge of what is in memory at once."""


def read_tissue(path: Path, slide: Slide, plane: WorkingPlane) -> TissueMask:
    """Read a tissue mask.

    Parameters
    ----------
    path : Path
        A picture of the whole slide, in which tissue is not black; or an OME-Zarr label image, as
        ``wsiseg segment`` writes them, in which tissue is every label but 0, and nothing is where
        it was not analysed.
    slide : Slide
        The slide of the mask, open.
    plane : WorkingPlane
        The working plane of the slide.

    Raises
    ------
    AnnotationError
        If it cannot be read, or its shape is not that of the slide.
    DataSetError
        If a label image reaches beyond the slide.
    """
    if not path.is_dir():
        return read_tissue_picture(path, plane, slide.facts.stretch)
    if not is_store(path):
        raise AnnotationError(
            "the tissue mask cannot be read: it is a folder", path, "Give auto, none, or a picture."
        )
    image = open_label_image(path)
    pixel, corner = place_store(image, slide)
    found, factor = _reduced(image)
    rows, columns = (
        _edges(length, plane, size * factor, start, limit)
        for length, size, start, limit in zip(
            (plane.height, plane.width), pixel, corner, found.shape, strict=True
        )
    )
    return TissueMask(_any_between(found, rows, columns), (plane.height, plane.width))


def _reduced(image: LabelImage) -> tuple[Mask, int]:
    """Return where a label image has tissue, and how many of its pixels along became one."""
    values = image.values
    height, width = values.shape
    factor = -(-max(height, width) // _FINEST_EDGE)
    step = _BLOCK // factor * factor
    mask = np.zeros((-(-height // factor), -(-width // factor)), bool)
    for top in range(0, height, step):
        for left in range(0, width, step):
            block = values[top : min(top + step, height), left : min(left + step, width)]
            seen = (block != 0) & (block != NO_LABEL)
            below, right = (-edge % factor for edge in seen.shape)
            seen = np.pad(seen, ((0, below), (0, right)))
            rows, columns = (edge // factor for edge in seen.shape)
            part = seen.reshape(rows, factor, columns, factor).any(axis=(1, 3))
            y, x = top // factor, left // factor
            mask[y : y + rows, x : x + columns] = part
    return mask, factor


Edges = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _edges(length: int, plane: WorkingPlane, size: float, start: float, limit: int) -> Edges:
    """Return the first pixel of the store below each of the mask's, and the first one after."""
    count = -(-length // -(-max(plane.height, plane.width) // _FINEST_EDGE))
    borders = np.arange(count + 1) * (length / count) * plane.slide_scale
    at = (borders - start) / size
    first, last = np.floor(at[:-1]), np.ceil(at[1:])
    return np.clip(first, 0, limit).astype(np.int64), np.clip(last, 0, limit).astype(np.int64)


def _any_between(found: Mask, rows: Edges, columns: Edges) -> Mask:
    """Return whether anything lies in each of the rectangles where rows and columns cross."""
    sums = np.zeros((found.shape[0] + 1, found.shape[1] + 1), np.int32)
    np.cumsum(np.cumsum(found, axis=0, dtype=np.int32), axis=1, out=sums[1:, 1:])
    top, bottom = (sums[edge] for edge in rows)
    across = bottom - top
    return np.asarray(across[:, columns[1]] > across[:, columns[0]])

"""Shapes and painted areas that lie beside the tissue, as those of another slide do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage

from wsiseg.annotations.labels import IGNORED, LabelPlane, Labels
from wsiseg.text import plural
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.tissue import TissueMask, find_tissue

_HALF = 0.5
_MOST = 5000
"""Shapes that are looked at; of more, evenly spread ones."""
_FINEST = 64
"""Points along a shape, at most."""


def describe_labels_off_tissue(
    labels: LabelPlane, slide: Slide, tissue: TissueMask | None = None
) -> tuple[str, ...]:
    """Return a warning if half of what is annotated or more lies beside the tissue of a slide.

    Of drawn annotations the shapes are counted, of masks the connected areas of each label.  Where
    a mask labels everything, the label of most pixels is the ground and is not counted; nor is
    any, if that ground is tissue itself.

    Parameters
    ----------
    labels : LabelPlane
        Annotations of the slide.
    slide : Slide
        Open; its overview is read unless the tissue is known.
    tissue : TissueMask, optional
        Where tissue is, if that is known already.

    Returns
    -------
    tuple of str
        One sentence, or none.
    """
    shapes = labels.outlines()
    if len(shapes):
        return describe_off_tissue(shapes, slide, tissue)
    plane = plane_at_level(slide, 0)
    mask = (tissue or find_tissue(slide, plane)).mask
    seen = labels.sketch(mask.shape, (plane.height, plane.width))
    if seen is None or mask.all() or not mask.any():
        return ()
    inside = [share for area in _areas(seen, mask) for share in area]
    lost = sum(share < _HALF for share in inside)
    return _ask(lost, len(inside), "painted area", slide)


def _areas(labels: Labels, tissue: npt.NDArray[np.bool_]) -> Iterator[list[float]]:
    """Yield for each label how much of each of its connected areas is tissue, 0 to 1."""
    values, counts = np.unique(labels, return_counts=True)
    ground = IGNORED
    if IGNORED not in values:
        ground = values[counts.argmax()]
        if tissue[labels == ground].mean() >= _HALF:
            return
    for value in values[values != ground]:
        areas, count = ndimage.label(labels == value)
        yield list(ndimage.mean(tissue, areas, range(1, count + 1)))


def describe_off_tissue(
    geometries: npt.NDArray[Any],
    slide: Slide,
    tissue: TissueMask | None = None,
    thing: str = "annotation",
) -> tuple[str, ...]:
    """Return a warning if half of the shapes or more lie beside the tissue of a slide.

    A shape lies beside it if more than half of its area does.

    Parameters
    ----------
    geometries : ndarray
        Shapes, ``x, y`` in pixels of level 0.
    slide : Slide
        Open; its overview is read unless the tissue is known.
    tissue : TissueMask, optional
        Where tissue is, if that is known already.
    thing : str
        What one of the shapes is called.

    Returns
    -------
    tuple of str
        One sentence, or none.
    """
    if not len(geometries):
        return ()
    plane = plane_at_level(slide, 0)
    mask = (tissue or find_tissue(slide, plane)).mask
    if mask.all() or not mask.any():
        return ()
    step = max(1, len(geometries) // _MOST)
    seen = geometries[::step]
    cell = np.array([plane.width / mask.shape[1], plane.height / mask.shape[0]])
    lost = sum(_lies_off(shape, mask, cell) for shape in seen)
    if lost < _HALF * len(seen):
        return ()
    about = "" if step == 1 else "about "
    return _ask(round(lost * len(geometries) / len(seen)), len(geometries), thing, slide, about)


def _ask(lost: int, count: int, thing: str, slide: Slide, about: str = "") -> tuple[str, ...]:
    """Return the warning, if so many are lost that it is to be given."""
    if not count or lost < _HALF * count:
        return ()
    lies = "lies" if lost == count == 1 else "lie"
    are = "is it" if count == 1 else "are they"
    off = f"{about}{lost} of {plural(count, thing)} {lies} outside the tissue"
    return (f"{off}: {are} of {slide.path.name}?",)


def _lies_off(shape: Any, tissue: npt.NDArray[np.bool_], cell: npt.NDArray[np.float64]) -> bool:
    """Tell whether more than half of a shape lies beside the tissue."""
    left, top, right, bottom = shape.bounds
    # As fine as the mask is; of a shape inside one cell the middle counts.
    columns, rows = (
        np.linspace(low, high, 2 * count + 1)[1::2]
        for low, high, count in (
            (left, right, int(np.clip((right - left) / cell[0], 1, _FINEST))),
            (top, bottom, int(np.clip((bottom - top) / cell[1], 1, _FINEST))),
        )
    )
    x, y = (each.ravel() for each in np.meshgrid(columns, rows))
    inside = shapely.contains_xy(shape, x, y)
    if not inside.any():
        point = shape.representative_point()
        x, y, inside = np.array([point.x]), np.array([point.y]), np.array([True])
    at = np.clip(
        (np.stack([y[inside], x[inside]]) / cell[::-1, None]).astype(int),
        0,
        np.array(tissue.shape)[:, None] - 1,
    )
    return bool(tissue[at[0], at[1]].mean() < _HALF)

"""Masks that are painted by hand, part by part, in a store that covers the whole slide."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import zarr

from wsiseg.classes import LabelClass
from wsiseg.errors import AnnotationError, OutputExistsError
from wsiseg.store.arrays import create_array, write_group
from wsiseg.store.disk import Json, replace_folder_when_complete
from wsiseg.store.label_images import LabelImage, open_label_image
from wsiseg.store.metadata import PAINTED, VERSION, Placement, image_label, multiscales
from wsiseg.store.pyramid import halve_by_mode, level_shapes
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box


@dataclass(frozen=True, eq=False)
class PaintedPart:
    """Labels painted on a part of a slide.

    Attributes
    ----------
    labels : ndarray
        uint8 ``(box.height, box.width)``: indices of `classes`, 255 where nobody painted.
    box : Box
        Where the labels lie on the working plane.
    shape : tuple of int
        ``(height, width)`` of the working plane.
    placement : Placement
        Where that plane lies on the slide.
    classes : tuple of LabelClass
        In the order of the labels.
    slide : str
        File name of the slide.
    stretch : tuple of float
        Pixels of level 0 along one of the slide's file, ``(y, x)``.
    """

    labels: npt.NDArray[np.uint8]
    box: Box
    shape: tuple[int, int]
    placement: Placement
    classes: tuple[LabelClass, ...]
    slide: str
    stretch: tuple[float, float] = (1.0, 1.0)


def write_painted_mask(path: Path, part: PaintedPart, *, replace: bool = False) -> None:
    """Write a new mask with one painted part.

    Parameters
    ----------
    path : Path
        ``NAME.ome.zarr``; it appears complete or not at all.
    part : PaintedPart
        The labels and where they lie.
    replace : bool
        Whether an existing painted mask is replaced.

    Raises
    ------
    OutputExistsError
        If something exists there that may not be replaced, or is not a painted mask.
    OutputError
        If it cannot be written; what existed there stays.
    """
    if path.exists():
        if not replace:
            raise OutputExistsError(
                "an annotation of this slide exists", path, "Add to it, or replace it."
            )
        _open_painting(path)
    with replace_folder_when_complete(path) as store:
        shapes = level_shapes(*part.shape)
        for level, shape in enumerate(shapes):
            create_array(store / str(level), shape, fill_value=NO_LABEL)
        _paint(store, part.labels, part.box)
        _describe(store, part, part.classes, len(shapes))


def add_to_painted_mask(path: Path, part: PaintedPart) -> None:
    """Paint one more part over an existing painted mask; unpainted pixels leave it unchanged.

    Classes are matched by name; new ones follow the existing ones.

    Parameters
    ----------
    path : Path
        ``NAME.ome.zarr``; it changes as a whole or not at all.
    part : PaintedPart
        The labels and where they lie, at the working resolution of the mask.

    Raises
    ------
    OutputExistsError
        If what exists there is not a painted mask.
    AnnotationError
        If it was painted at another resolution, or on another slide.
    OutputError
        If it cannot be written; what existed there stays.
    """
    image = _open_painting(path)
    _refuse_other_plane(image, part)
    classes = _join(tuple(entry for _, entry in sorted(image.classes.items())), part.classes)
    if len(classes) > NO_LABEL:
        raise AnnotationError(f"the annotation would have {len(classes)} classes", path)
    places = {entry.name: index for index, entry in enumerate(classes)}
    table = np.full(256, NO_LABEL, np.uint8)
    table[: len(part.classes)] = [places[entry.name] for entry in part.classes]
    with replace_folder_when_complete(path) as store:
        shutil.copytree(path, store)
        standing = np.asarray(zarr.open_array(store / "0", mode="r")[_cut(part.box)])
        _paint(store, np.where(part.labels == NO_LABEL, standing, table[part.labels]), part.box)
        _describe(store, part, classes, len(image.levels))


def _open_painting(path: Path) -> LabelImage:
    """Open a painted mask; nothing else may be changed."""
    hint = "Choose another folder."
    try:
        image = open_label_image(path)
    except AnnotationError as error:
        raise OutputExistsError("what already exists there is not a mask", path, hint) from error
    if not image.notes.get(PAINTED):
        raise OutputExistsError("the mask that already exists was not painted by hand", path, hint)
    return image


def _refuse_other_plane(image: LabelImage, part: PaintedPart) -> None:
    mpp, slide = part.placement.mpp, image.notes.get("slide")
    same_pixels = math.isclose(image.scale, mpp or part.placement.slide_scale, rel_tol=1e-6)
    same_unit = (image.unit is None) == (mpp is None)
    same_shape = image.levels[0].shape == part.shape
    if not (same_pixels and same_unit and same_shape and slide == part.slide):
        unit = "pixels" if image.unit is None else "µm"
        raise AnnotationError(
            f"the annotation that exists has pixels of {image.scale:g} {unit} on {slide}, "
            "what was painted has others",
            image.path,
            "Paint at its resolution, replace it, or choose another folder.",
        )


def _join(standing: Sequence[LabelClass], painted: Sequence[LabelClass]) -> tuple[LabelClass, ...]:
    names = {entry.name for entry in standing}
    return (*standing, *(entry for entry in painted if entry.name not in names))


def _paint(store: Path, labels: npt.NDArray[np.uint8], box: Box) -> None:
    """Write a part, and what depends on it of the coarser levels."""
    zarr.open_array(store / "0", mode="r+")[_cut(box)] = labels
    for level in range(1, len(list(store.glob("[0-9]*")))):
        finer = zarr.open_array(store / str(level - 1), mode="r")
        coarser = zarr.open_array(store / str(level), mode="r+")
        y, x = box.y // 2, box.x // 2
        box = Box(y, x, -(-box.bottom // 2) - y, -(-box.right // 2) - x)
        block = np.asarray(finer[2 * box.y : 2 * box.bottom, 2 * box.x : 2 * box.right])
        even = np.pad(block, [(0, side % 2) for side in block.shape], mode="edge")
        coarser[_cut(box)] = halve_by_mode(even)


def _cut(box: Box) -> tuple[slice, slice]:
    return slice(box.y, box.bottom), slice(box.x, box.right)


def _describe(store: Path, part: PaintedPart, classes: Sequence[LabelClass], levels: int) -> None:
    name = store.name.removeprefix(".").removesuffix(".partial").removesuffix(".ome.zarr")
    ome: Json = {
        "version": VERSION,
        "multiscales": multiscales(name, part.placement, levels, method="mode"),
        "image-label": image_label(classes),
    }
    notes: Json = {
        "slide": part.slide,
        "slide_scale": part.placement.slide_scale,
        "stretch": list(part.stretch),
        PAINTED: True,
    }
    write_group(store, {"ome": ome, "wsiseg": notes})

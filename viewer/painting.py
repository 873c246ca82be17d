"""Painting on a region of a slide, and saving the painting as an annotation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wsiseg.annotations import (
    Annotation,
    polygonise,
    read_annotations,
    write_qupath,
)
from wsiseg.annotations.geojson import outermost_features
from wsiseg.annotations.labels import Labels
from wsiseg.annotations.placing import CoordinateTransform, find_transform
from wsiseg.annotations.raster import (
    LookupTable,
    PixelArray,
    RasterLabels,
    look_up,
    make_lookup_table,
)
from wsiseg.classes import LabelClass
from wsiseg.errors import AnnotationError, ArgumentError, OutputExistsError
from wsiseg.store.disk import translate_write_errors, write_atomically
from wsiseg.store.metadata import NOT_ANALYSED, Placement
from wsiseg.store.painted_masks import PaintedPart, add_to_painted_mask, write_painted_mask
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.slides.files import sample_name
from wsiseg.viewer.layers.frame import working_box
from wsiseg.viewer.layers.label_layers import hidden_classes, hide_classes
from wsiseg.viewer.layers.layer_data import (
    KEY,
    MASK_OPACITY,
    LayerData,
    MaskView,
    SlideView,
    label_look,
)
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.plain_text import plain
from wsiseg.viewer.reviewing import REVIEW, Review

if TYPE_CHECKING:
    from napari.layers import Layer

LONGEST_PAINTING = 4096
"""Edge of what is painted on at a time, at most: napari keeps it in memory."""

NOT_ANNOTATED = "not annotated"
"""What 255 is called in a painting."""

RESERVED = (NOT_ANNOTATED, NOT_ANALYSED)
"""A class of such a name would be lost when its labels are read."""

Classes = Mapping[int, LabelClass]
Kind = Literal["OME-Zarr", "GeoJSON"]
IfExists = Literal["refuse", "add", "replace"]
"""What becomes of an annotation that exists already."""

_ENDINGS: dict[Kind, str] = {"OME-Zarr": ".ome.zarr", "GeoJSON": ".geojson"}
_RIVALS = (
    ".ome.zarr",
    ".zarr",
    ".geojson",
    ".geojson.gz",
    ".json",
    ".json.gz",
    ".xml",
    ".annotations",
)
"""What training takes for annotations of a slide, of which it wants one only."""


def working_plane(view: SlideView, mpp: float | None = None) -> WorkingPlane:
    """Return a slide as it is painted on.

    Parameters
    ----------
    view : SlideView
        The slide.
    mpp : float, optional
        µm per pixel; level 0 as it is if left out.

    Raises
    ------
    ArgumentError
        If the slide's own are unknown.
    """
    if mpp is None:
        return plane_at_level(view.slide, 0)
    if view.frame.mpp is None:
        raise ArgumentError(
            f"the slide's µm per pixel are unknown, {mpp:g} are to be painted at",
            view.slide.path,
            "Type the slide's µm per pixel.",
        )
    return plane_at_mpp(view.slide, mpp)


def region_at(view: SlideView, slide_box: Box, mpp: float | None, classes: Classes) -> RegionView:
    """Return a part of a slide that can be painted on.

    Parameters
    ----------
    view : SlideView
        The slide.
    slide_box : Box
        The part, in pixels of level 0.
    mpp : float, optional
        See :func:`working_plane`.
    classes : mapping of int to LabelClass
        What can be painted.

    Raises
    ------
    ArgumentError
        If there is nothing to paint on or with, or too much for the memory.
    """
    if not classes:
        raise ArgumentError("there is no class to paint with", None, "Add one to the list.")
    plane = working_plane(view, mpp)
    box = working_box(slide_box, plane)
    if not box.area:
        raise ArgumentError(f"the region lies outside {view.slide.name}")
    if max(box.shape) > LONGEST_PAINTING:
        raise ArgumentError(
            f"the region has {box.width}×{box.height} pixels, more than "
            f"{LONGEST_PAINTING}×{LONGEST_PAINTING}",
            None,
            _how_to_fit(plane, box),
        )
    return RegionView(view, plane, box, classes)


def _how_to_fit(plane: WorkingPlane, box: Box) -> str:
    if plane.mpp is None:
        return "Zoom in or draw a smaller one."
    # One pixel of the box may be no more than an edge that was rounded outwards.
    coarser = math.ceil(plane.mpp * max(box.shape) / (LONGEST_PAINTING - 1) * 100) / 100
    return f"Zoom in, draw a smaller one, or paint at {coarser:g} µm per pixel."


def painting_layer(region: RegionView, labels: Labels | None = None) -> LayerData:
    """Return a layer of labels that lies on its region and can be painted.

    Parameters
    ----------
    region : RegionView
        What is painted on.
    labels : ndarray, optional
        uint8 ``(region.box.height, region.box.width)``; 255 everywhere if left out.
    """
    begun = np.full(region.box.shape, NO_LABEL, np.uint8) if labels is None else labels
    settings = {
        "name": plain(f"{region.slide.slide.name} painting"),
        "opacity": MASK_OPACITY,
        "metadata": {KEY: region, REVIEW: Review(begun)},
        **region.placing(),
        **painting_look(region.classes),
    }
    return begun, settings, "labels"


def painting_look(classes: Classes, blank: str = NOT_ANNOTATED) -> dict[str, Any]:
    """Return colours and names of labels as napari takes them.

    Parameters
    ----------
    classes : mapping of int to LabelClass
        Classes by their labels.
    blank : str
        What 255 is called, which napari's eraser leaves.
    """
    look = label_look(classes)
    look["colormap"].background_value = NO_LABEL
    names = look["features"]
    names["class"] = [*names["class"][:-1], blank]
    return look


def free_value(classes: Classes) -> int:
    """Return the lowest label that no class has.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    free = next(value for value in range(NO_LABEL + 1) if value not in classes)
    if free == NO_LABEL:
        raise ArgumentError(f"there are no more than {NO_LABEL} classes")
    return free


def is_painting(layer: Layer) -> bool:
    """Tell whether a layer holds labels of a region."""
    return isinstance(layer.metadata.get(KEY), RegionView)


def give_classes(painting: Any, classes: Classes) -> None:
    """Replace the classes that can be painted in a layer.

    Parameters
    ----------
    painting : napari.layers.Labels
        A layer of :func:`painting_layer`.
    classes : mapping of int to LabelClass
        Classes by their labels.
    """
    hidden, look = hidden_classes(painting), painting_look(classes)
    painting.metadata[KEY] = replace(painting.metadata[KEY], classes=dict(classes))
    painting.colormap, painting.features = look["colormap"], look["features"]
    if hidden:
        hide_classes(painting, hidden)


def numbered(classes: Classes) -> dict[int, LabelClass]:
    """Return classes with the labels 0, 1, …, in the order that they have."""
    return dict(enumerate(entry for _, entry in sorted(classes.items())))


def mask_mpp(mask: MaskView | RegionView) -> float | None:
    """Return µm per pixel of a mask, if it is known."""
    return None if mask.frame.mpp is None else mask.frame.mpp * mask.pixel


def labels_under(mask: MaskView | RegionView, values: PixelArray, region: RegionView) -> Labels:
    """Return a mask's labels in a region, as :func:`numbered` numbers its classes.

    Parameters
    ----------
    mask : MaskView or RegionView
        Where it lies and what its values mean.
    values : array-like
        ``(H, W)``, its finest level.
    region : RegionView
        Each of its pixels gets the value at its centre; 255 where there is none, or one that
        means no class.

    Raises
    ------
    AnnotationError
        If the mask cannot be read.
    """
    where = mask.image.path if isinstance(mask, MaskView) else mask.slide.slide.path
    table = _positions(mask.classes, NO_LABEL)
    pixel = mask.pixel, mask.pixel
    grid = RasterLabels(values, table, region.plane, where, pixel=pixel, corner=mask.corner)
    return grid.read(region.box)


def _positions(classes: Classes, other: int) -> LookupTable:
    """Return the place of every class among the others, by its value."""
    table = make_lookup_table({})
    table[:] = other
    for index, value in enumerate(sorted(classes)):
        table[value] = index
    table[NO_LABEL] = NO_LABEL
    return table


def annotation_path(folder: Path, slide: Slide, kind: Kind) -> Path:
    """Return where training looks for the annotation of a slide.

    Parameters
    ----------
    folder : Path
        Of annotations.
    slide : Slide
        What was painted on.
    kind : {"OME-Zarr", "GeoJSON"}
        What is written.

    Returns
    -------
    Path
        Named after the slide.
    """
    return folder / f"{sample_name(slide.path.name)}{_ENDINGS[kind]}"


def save_painting(
    region: RegionView,
    labels: Labels,
    folder: Path,
    kind: Kind = "OME-Zarr",
    if_exists: IfExists = "refuse",
) -> Path:
    """Write what was painted, as ``wsiseg train --annotations`` takes it.

    Parameters
    ----------
    region : RegionView
        What was painted on.
    labels : ndarray
        uint8 ``(region.box.height, region.box.width)``; 255 where nobody painted, see
        :meth:`wsiseg.viewer.reviewing.Review.reviewed`.
    folder : Path
        Made if need be.
    kind : {"OME-Zarr", "GeoJSON"}
        Labels, or polygons as QuPath reads them.
    if_exists : {"refuse", "add", "replace"}
        What becomes of an annotation of this slide that exists already.  What is added lies over
        it where something was painted, and leaves it as it is elsewhere.

    Returns
    -------
    Path
        The file or store, which changes as a whole or not at all.

    Raises
    ------
    ArgumentError
        If nothing is painted.
    AnnotationError
        If a label means no class, or the painting does not fit the existing annotation.
    OutputExistsError
        If an annotation exists that may not be changed.
    OutputError
        If it cannot be written.
    """
    path = annotation_path(folder, region.slide.slide, kind)
    if (labels == NO_LABEL).all():
        raise ArgumentError(
            "nothing is painted",
            None,
            "Paint with one of the classes first, or mark what is right as checked.",
        )
    _refuse_rivals(path, _ENDINGS[kind])
    placed = look_up(labels, _positions(region.classes, -1), path)
    region = replace(region, classes=numbered(region.classes))
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    save = _save_store if kind == "OME-Zarr" else _save_drawing
    save(path, region, placed, if_exists)
    return path


def _refuse_rivals(path: Path, ending: str) -> None:
    stem = path.name.removesuffix(ending)
    for other in _RIVALS:
        rival = path.with_name(stem + other)
        if other != ending and rival.exists():
            raise OutputExistsError(
                "the slide has an annotation of another kind",
                rival,
                "Training takes one of them only: move it away, or choose another folder.",
            )


def _save_store(path: Path, region: RegionView, labels: Labels, if_exists: IfExists) -> None:
    part = PaintedPart(
        labels=labels,
        box=region.box,
        shape=region.plane.box.shape,
        placement=Placement(region.plane.mpp, region.plane.slide_scale),
        classes=tuple(region.classes.values()),
        slide=region.slide.slide.path.name,
        stretch=region.frame.stretch,
    )
    if if_exists == "add" and path.exists():
        add_to_painted_mask(path, part)
    else:
        write_painted_mask(path, part, replace=if_exists == "replace")


def _save_drawing(path: Path, region: RegionView, labels: Labels, if_exists: IfExists) -> None:
    if path.exists() and if_exists == "refuse":
        raise OutputExistsError("an annotation of this slide exists", path, "Add to or replace it.")
    slide = region.slide.slide
    if if_exists != "add" or not path.exists():
        write_qupath(
            path, _polygons(region, labels, CoordinateTransform.from_scanned_bounds(slide))
        )
        return
    transform, _ = find_transform(read_annotations(path), slide)
    beside = path.with_name(f".{path.name}.added")
    try:
        write_qupath(beside, _polygons(region, labels, transform))
        _append(path, beside)
    finally:
        beside.unlink(missing_ok=True)


def _polygons(
    region: RegionView, labels: Labels, transform: CoordinateTransform
) -> list[Annotation]:
    """Return what was painted as polygons, in the coordinates of a file."""
    values, shapes = zip(*polygonise(labels, region.pixel, region.corner), strict=True)
    return [
        Annotation(region.classes[label].name, shape, region.classes[label].colour, painted=True)
        for label, shape in zip(values, transform.from_level_0(np.array(shapes)), strict=True)
    ]


def _append(path: Path, added: Path) -> None:
    """Add the features of one file to those of another, which keeps whatever else it has."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        features: list[Any] = outermost_features(content)
    except ValueError as error:
        raise AnnotationError(
            f"nothing can be added to it: {error}", path, "Replace it."
        ) from error
    new = json.loads(added.read_text(encoding="utf-8"))["features"]
    # A shape that is there already is painted once more: last, so that it lies on top.
    again = {feature["id"] for feature in new}
    kept = [f for f in features if not (isinstance(f, dict) and f.get("id") in again)]
    whole = content if isinstance(content, dict) and "features" in content else {}
    whole |= {"type": "FeatureCollection", "features": kept + new}
    write_atomically(path, json.dumps(whole) + "\n")

"""Painting on a region of a slide: where, with which classes, over which labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wsiseg.annotations.labels import Labels
from wsiseg.annotations.raster import (
    LookupTable,
    PixelArray,
    RasterLabels,
    make_lookup_table,
)
from wsiseg.classes import LabelClass
from wsiseg.errors import ArgumentError
from wsiseg.store.metadata import NOT_ANALYSED
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp
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
            f"the slide's µm per pixel are unknown, so {mpp:g} µm/px cannot be painted at",
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
    table = class_positions(mask.classes, NO_LABEL)
    pixel = mask.pixel, mask.pixel
    grid = RasterLabels(values, table, region.plane, where, pixel=pixel, corner=mask.corner)
    return grid.read(region.box)


def class_positions(classes: Classes, other: int) -> LookupTable:
    """Return the place of every class among the others, by its value.

    Parameters
    ----------
    classes : mapping of int to LabelClass
        Classes by their labels.
    other : int
        What other values get; 255 stays 255.
    """
    table = make_lookup_table({})
    table[:] = other
    for index, value in enumerate(sorted(classes)):
        table[value] = index
    table[NO_LABEL] = NO_LABEL
    return table

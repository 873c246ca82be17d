"""Annotation files as outlines in the window, and painted into labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from wsiseg.annotations import (
    Annotation,
    AnnotationFile,
    ShapePainter,
    place,
    read_annotations,
)
from wsiseg.annotations.labels import Labels
from wsiseg.annotations.off_tissue import describe_off_tissue
from wsiseg.classes import LabelClass, distinct_colour
from wsiseg.errors import AnnotationError
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import KEY, LayerData, SlideView
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.painting import RESERVED, free_value

UNCLASSIFIED = "unclassified"
"""What a shape without a class is called."""


@dataclass(frozen=True)
class DrawingView:
    """What a file draws, in the window as outlines.

    Attributes
    ----------
    file : AnnotationFile
        With the true shapes, in pixels of level 0.
    frame : Frame
        Where their slide lies.
    doubts : tuple of str
        What makes it doubtful that they are of this slide.
    """

    file: AnnotationFile
    frame: Frame
    doubts: tuple[str, ...] = ()


def read_drawing(path: Path, view: SlideView) -> DrawingView:
    """Read a file of annotations of a slide, from QuPath, ASAP, ImageScope or HALO.

    Parameters
    ----------
    path : Path
        A file of annotations.
    view : SlideView
        The slide that they lie on.

    Raises
    ------
    AnnotationError
        If the file cannot be read, or is of another slide.
    """
    file = place(read_annotations(path), view.slide)
    shapes = np.array([annotation.geometry for annotation in file.annotations], object)
    doubts = describe_off_tissue(shapes, view.slide)
    return DrawingView(replace(file, notes=(*file.notes, *doubts)), view.frame, doubts)


def drawing_layer(drawing: DrawingView) -> LayerData:
    """Return the outlines of a file's shapes, with the names and colours of their classes.

    napari's polygons have no holes, so that an edge of a hole is a shape of its own.
    """
    colours = drawn_classes(drawing.file)
    rings, names, sides = [], [], []
    for annotation in drawing.file.annotations:
        for ring, side in _rings(annotation):
            rings.append(drawing.frame.to_world(shapely.get_coordinates(ring)[:-1, ::-1]))
            names.append(annotation.name or UNCLASSIFIED)
            sides.append(side)
    edge = np.sqrt(np.median([annotation.geometry.area for annotation in drawing.file.annotations]))
    settings = {
        "name": drawing.file.path.name,
        "metadata": {KEY: drawing},
        "shape_type": "polygon",
        "face_color": "transparent",
        "edge_color": np.array([(*colours[name].colour, 255) for name in names]) / 255,
        "edge_width": max(1.0, float(edge) / 50) * drawing.frame.pixel,
        "features": {"class": names, "edge of": sides},
        "units": (drawing.frame.unit,) * 2,
    }
    return rings, settings, "shapes"


def _rings(annotation: Annotation) -> Iterator[tuple[Any, str]]:
    for polygon in shapely.get_parts(annotation.geometry):
        yield polygon.exterior, "shape"
        yield from ((hole, "hole") for hole in polygon.interiors)


def drawn_classes(file: AnnotationFile) -> dict[str, LabelClass]:
    """Return the classes of a file by their names, in the order in which they come up."""
    found: dict[str, LabelClass] = {}
    for annotation in file.annotations:
        name = annotation.name or UNCLASSIFIED
        colour = annotation.colour or distinct_colour(len(found))
        found.setdefault(name, LabelClass(name, colour))
    return found


def paint_drawing(drawing: DrawingView, region: RegionView) -> tuple[RegionView, Labels]:
    """Paint a file's shapes.

    Parameters
    ----------
    drawing : DrawingView
        The shapes.
    region : RegionView
        Where they are painted.

    Returns
    -------
    RegionView
        The region, with the classes that it lacked.
    ndarray
        uint8 labels of its pixels; 255 where no shape is.

    Raises
    ------
    ArgumentError
        If they have too many classes.
    AnnotationError
        If one of them has the name of pixels without a class.
    """
    classes = dict(region.classes)
    values = {entry.name: value for value, entry in classes.items()}
    for name, entry in drawn_classes(drawing.file).items():
        if name in RESERVED:
            raise AnnotationError(
                f"{name!r} is the name for pixels that are not annotated",
                drawing.file.path,
                "Give these annotations another class.",
            )
        if name not in values:
            values[name] = free_value(classes)
            classes[values[name]] = entry
    shapes = [(a.geometry, values[a.name or UNCLASSIFIED]) for a in drawing.file.annotations]
    labels = ShapePainter(shapes, region.plane).paint(region.box, NO_LABEL)
    return replace(region, classes=classes), labels

"""Files of polygons as a source of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from shapely.geometry.base import BaseGeometry

from wsiseg.annotations.class_map import UNCLASSIFIED, ClassMap
from wsiseg.annotations.labels import IGNORED, LabelPlane, Labels, LabelSource
from wsiseg.annotations.overlapping import (
    describe_overlaps,
    find_overlaps,
    painting_order,
)
from wsiseg.annotations.painting import ShapePainter
from wsiseg.annotations.placing import Coordinates, place
from wsiseg.annotations.reading import read_annotations
from wsiseg.text import plural
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide


class PolygonLabels(LabelSource):
    """Polygons drawn in QuPath, ASAP, ImageScope or HALO.

    Parameters
    ----------
    path : Path
        The file.
    class_map : ClassMap
        The class of each name.
    coordinates : {"auto", "level0", "bounds"}
        The origin of the file's coordinates, see :func:`wsiseg.annotations.place`.
    """

    def __init__(self, path: Path, class_map: ClassMap, coordinates: Coordinates = "auto") -> None:
        super().__init__(path)
        self.class_map = class_map
        self.coordinates = coordinates

    def open(self, slide: Slide, plane: WorkingPlane) -> PaintedPolygons:
        """Place the polygons on a working plane.

        Parameters
        ----------
        slide : Slide
            Open.
        plane : WorkingPlane
            Its working plane.

        Raises
        ------
        AnnotationError
            If the file cannot be read, has an unknown class, or lies outside the slide; if a shape
            has no class, and the class map is strict.
        """
        placed = place(read_annotations(self.path), slide, self.coordinates)
        ground = self.class_map.ground
        shapes, regions, painted, nameless = [], [], [], []
        for annotation in placed.annotations:
            label = self.class_map.label(annotation.name, self.path)
            if self.class_map.leaves_out(annotation.name):
                nameless.append((annotation.geometry, IGNORED))
            elif label is None:
                regions.append((annotation.geometry, ground))
            else:
                shapes.append((annotation.geometry, label))
                painted.append(annotation.painted)
        if self.class_map.exhaustive:
            ground = IGNORED
        overlaps = find_overlaps(shapes)
        order = painting_order(shapes, overlaps, self.class_map.ranks, painted)
        notes = describe_overlaps(shapes, overlaps, order, self.class_map.names)
        left_out = (_describe_nameless(len(nameless)),) if nameless else ()
        # What was drawn inside a region lies over it, whichever came first, and what has a class
        # over what has none.
        ordered = (shapes[index] for index in order)
        painter = ShapePainter([*regions, *nameless, *ordered], plane)
        drawn = tuple(annotation.geometry for annotation in placed.annotations)
        return PaintedPolygons(painter, plane, ground, (*placed.notes, *notes, *left_out), drawn)


def _describe_nameless(count: int) -> str:
    are = "is" if count == 1 else "are"
    return (
        f"{plural(count, 'shape')} without a class {are} ignored; `class_map` gives them one "
        f"with {UNCLASSIFIED}=CLASS"
    )


class PaintedPolygons(LabelPlane):
    """Polygons on a working plane.

    Parameters
    ----------
    painter : ShapePainter
        Rasterises the shapes.
    plane : WorkingPlane
        The working plane of the slide.
    ground : int
        Label of area without annotation.
    notes : tuple of str
        See :class:`LabelPlane`.
    drawn : tuple of shapely geometry
        All shapes, in pixels of level 0.
    """

    def __init__(
        self,
        painter: ShapePainter,
        plane: WorkingPlane,
        ground: int,
        notes: tuple[str, ...] = (),
        drawn: tuple[BaseGeometry, ...] = (),
    ) -> None:
        self.notes = notes
        self._painter = painter
        self._plane = plane
        self._ground = ground
        self._drawn = drawn

    def read(self, box: Box) -> Labels:
        """Return the labels of a box; see :class:`LabelPlane`."""
        labels = self._painter.paint(box, self._ground)
        inside = box.intersection(self._plane.box)
        if inside != box:
            kept = labels[inside.slices_in(box)].copy()
            labels.fill(IGNORED)
            labels[inside.slices_in(box)] = kept
        return labels

    def landmarks(self, narrowest: float) -> list[tuple[int, float, float]]:
        """Return a place inside each small polygon; see :class:`LabelPlane`."""
        return self._painter.landmarks(narrowest)

    def outlines(self) -> npt.NDArray[np.object_]:
        """Return all shapes; see :class:`LabelPlane`."""
        shapes = np.empty(len(self._drawn), object)
        shapes[:] = self._drawn
        return shapes

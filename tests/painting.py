"""Painting in a window: an area with two classes, and what saving it left."""

import numpy as np

from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.polygons import PolygonLabels
from wsiseg.annotations.stores import StoreLabels
from wsiseg.classes import LabelClass
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.resolution import plane_at_level, plane_at_mpp
from wsiseg.viewer.scene import current_slide
from wsiseg.viewer.widgets.annotating import DRAWN, AnnotateWidget

TWO = {0: LabelClass("tumour", (200, 0, 0)), 1: LabelClass("stroma", (0, 0, 200))}
AREA = Box(301, 403, 500, 702)


def furnish(viewer, mpp):
    """Draw a rectangle and add the widget; napari lets it paint two classes there."""
    frame = current_slide(viewer).frame
    edges = np.array([[AREA.y, AREA.x], [AREA.bottom, AREA.right]], float)
    viewer.add_shapes([frame.to_world(edges)], shape_type="rectangle", name="drawn", scale=(1, 1))
    viewer.layers["drawn"].units = (frame.unit, frame.unit)
    widget = AnnotateWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Annotate")
    widget.region.setCurrentText(DRAWN)
    widget.classes.show_classes(TWO)
    return widget


def begin(viewer, widget):
    widget.begin()
    return viewer.layers.selection.active


def wait_for_work(qtbot, widget):
    qtbot.waitUntil(widget.buttons["Save"].isEnabled)


def read_on_slide(path, slide_file, mpp):
    names = ClassMap.build({entry.name: entry.name for entry in TWO.values()})
    source = (StoreLabels if path.is_dir() else PolygonLabels)(path, names)
    with open_slide(slide_file) as slide:
        plane = plane_at_level(slide, 0) if mpp is None else plane_at_mpp(slide, mpp)
        return source.open(slide, plane).read(plane.box)


def moved(polygon):
    """Return a polygon that lies as far from the corner of `AREA` as it did from the slide's."""
    return type(polygon)([(x + AREA.x, y + AREA.y) for x, y in polygon.exterior.coords])

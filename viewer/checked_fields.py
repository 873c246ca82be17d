"""Fields of a slide that somebody has checked: shapes, inside which every label is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wsiseg.annotations import ShapePainter
from wsiseg.tiling.boxes import Box
from wsiseg.viewer.layers.layer_data import KEY, LayerData, SlideView
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.plain_text import plain

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from shapely.geometry.base import BaseGeometry

_COLOUR = "#00a040"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CheckedFields:
    """Fields of a slide in which every label was looked at, as shapes in the window.

    Attributes
    ----------
    slide : SlideView
        The slide.
    """

    slide: SlideView


def checked_layer(view: SlideView) -> LayerData:
    """Return an empty layer of shapes in which checked fields are drawn."""
    settings = {
        "name": plain(f"{view.slide.name} checked"),
        "metadata": {KEY: CheckedFields(view)},
        "ndim": 2,
        "edge_color": _COLOUR,
        "face_color": "transparent",
        "edge_width": 2 * view.frame.pixel,
        "units": (view.frame.unit,) * 2,
    }
    return [], settings, "shapes"


def checked_mask(fields: BaseGeometry, region: RegionView) -> Mask:
    """Return which pixels of a painting lie in checked fields, bool ``(H, W)``.

    Parameters
    ----------
    fields : shapely geometry
        ``x, y`` in pixels of level 0.
    region : RegionView
        What is painted on.
    """
    mask: Mask = ShapePainter([(fields, 1)], region.plane).paint(region.box, 0) == 1
    return mask


def add_checked_box(viewer: ViewerModel, view: SlideView, box: Box) -> None:
    """Mark a box as checked.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The window.
    view : SlideView
        The slide.
    box : Box
        In pixels of its level 0.
    """
    corners = np.array([[box.y, box.x], [box.bottom, box.right]], float)
    checked_shapes(viewer, view).add_rectangles([view.frame.to_world(corners)])


def checked_shapes(viewer: ViewerModel, view: SlideView) -> Any:
    """Return the layer of shapes with a slide's checked fields, made if need be.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The window.
    view : SlideView
        The slide.
    """
    for layer in viewer.layers:
        if is_checked_of(layer, view):
            return layer
    _, settings, _ = checked_layer(view)
    before = viewer.layers.selection.active
    made = viewer.add_shapes(**settings)
    # One goes on painting.
    viewer.layers.selection.active = before
    return made


def is_checked_of(layer: Any, view: SlideView) -> bool:
    """Tell whether a layer holds checked fields of a slide.

    Parameters
    ----------
    layer : napari.layers.Layer
        Any layer.
    view : SlideView
        The slide.
    """
    fields = layer.metadata.get(KEY)
    return isinstance(fields, CheckedFields) and fields.slide.slide.path == view.slide.path

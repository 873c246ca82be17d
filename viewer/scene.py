"""What is in the window: which slide, which mask, which part of it, what is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from wsiseg.annotations.repairing import unite
from wsiseg.errors import ArgumentError
from wsiseg.tiling.boxes import Box
from wsiseg.viewer.checked_fields import CheckedFields, is_checked_of
from wsiseg.viewer.layers.frame import Frame, Points
from wsiseg.viewer.layers.label_layers import equip
from wsiseg.viewer.layers.layer_data import KEY, CompanionView, LayerData, MaskView, SlideView
from wsiseg.viewer.layers.region import RegionView

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer

View = TypeVar("View")


def add_layers(viewer: ViewerModel, layers: Iterable[LayerData]) -> None:
    """Add layers on top, in their order.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The window.
    layers : iterable of LayerData
        Data, settings and kind of each.
    """
    for data, settings, kind in layers:
        equip(getattr(viewer, f"add_{kind}")(data, **settings))


def masks_of(viewer: ViewerModel, store: Path) -> list[Layer]:
    """Return the layers that show a store, an image in it, or what stands beside it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The window.
    store : Path
        An OME-Zarr store.

    Returns
    -------
    list of napari.layers.Layer
        From the bottom up.
    """
    views = ((layer, mask_of(layer)) for layer in viewer.layers)
    return [
        layer
        for layer, view in views
        if view is not None and view.image.path.absolute().is_relative_to(store.absolute())
    ]


def mask_of(layer: Layer) -> MaskView | None:
    """Return the mask that a layer shows or belongs to, if there is one."""
    match layer.metadata.get(KEY):
        case MaskView() as view:
            return view
        case CompanionView(mask=view):
            return view
        case _:
            return None


def slides(viewer: ViewerModel) -> dict[str, SlideView]:
    """Return the slides in the window by the names of their layers."""
    return _views(viewer, SlideView)


def current_slide(viewer: ViewerModel) -> SlideView:
    """Return the slide that is selected, or is under what is, or else the topmost.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    active = viewer.layers.selection.active
    found = None if active is None else slide_under(viewer, active)
    return found or current(viewer, SlideView, "slide")


def shown_slide(viewer: ViewerModel) -> SlideView | None:
    """Return the slide as :func:`current_slide`, or None if there is none."""
    return current_slide(viewer) if slides(viewer) else None


def slide_under(viewer: ViewerModel, layer: Layer) -> SlideView | None:
    """Return the slide that a layer shows or labels.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The window.
    layer : napari.layers.Layer
        A slide, a mask, what stands beside one, or a painting.

    Returns
    -------
    SlideView or None
        None if the slide is not in the window.
    """
    match layer.metadata.get(KEY):
        case SlideView() as view:
            return view
        case RegionView(slide=view) | CheckedFields(slide=view):
            return view
        case MaskView(image=image) | CompanionView(mask=MaskView(image=image)):
            name = image.notes.get("slide")
            shown = reversed(slides(viewer).values())
            return next((view for view in shown if view.slide.path.name == name), None)
        case _:
            return None


def current_mask(viewer: ViewerModel) -> MaskView:
    """Return the mask that is selected, or else the topmost.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    return current(viewer, MaskView, "mask")


def current_painting(viewer: ViewerModel) -> Labels:
    """Return the layer of the painting that is selected, or else of the topmost.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    layer: Labels
    for layer in by_preference(viewer):
        if isinstance(layer.metadata.get(KEY), RegionView):
            return layer
    raise ArgumentError("there is no painting", None, "Begin a new one.")


def current(viewer: ViewerModel, kind: type[View], word: str) -> View:
    """Return what the selected layer shows, or else the topmost of its kind.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The window.
    kind : type
        Of what is wanted, such as :class:`wsiseg.viewer.layers.layer_data.MaskView`.
    word : str
        What it is called.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    for layer in by_preference(viewer):
        view = layer.metadata.get(KEY)
        if isinstance(view, kind):
            return view
    raise ArgumentError(f"there is no {word} in the window", None, f"Open a {word} first.")


def field_of_view(viewer: ViewerModel, view: SlideView) -> Box:
    """Return what the window shows of a slide, in pixels of level 0.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The window.
    view : SlideView
        The slide.

    Raises
    ------
    ArgumentError
        If it shows nothing of it.
    """
    camera, canvas = viewer.scene.camera, np.array(viewer.canvas.size, float)
    centre, half = np.array(camera.center[-2:], float), canvas / camera.zoom / 2
    (top, left), (bottom, right) = view.frame.to_slide(np.array([centre - half, centre + half]))
    seen = Box.around(top, left, bottom, right).intersection(view.slide.levels[0].box)
    if not seen.area:
        raise ArgumentError(f"{view.slide.name} is not in view")
    return seen


def drawn_region(viewer: ViewerModel, frame: Frame) -> BaseGeometry:
    """Return the union of what is drawn in the selected shapes layer, or else the topmost.

    Outlines that this package has put into the window count only while they are selected.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The window.
    frame : Frame
        Where the slide lies.

    Returns
    -------
    shapely geometry
        ``x, y`` in pixels of level 0.

    Raises
    ------
    ArgumentError
        If nothing that has an area is drawn.
    """
    active = viewer.layers.selection.active
    layers = (each for each in by_preference(viewer) if _is_shapes(each))
    layer = next((each for each in layers if each is active or KEY not in each.metadata), None)
    region = unite([] if layer is None else polygons(layer, frame))
    if not region.area:
        raise ArgumentError(
            "no region is drawn", None, "Add a shapes layer and draw a rectangle or a polygon."
        )
    return region


def checked_fields(viewer: ViewerModel, view: SlideView) -> list[BaseGeometry]:
    """Return the fields of a slide that are marked as checked, in pixels of its level 0.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The window.
    view : SlideView
        The slide.
    """
    return [
        field
        for layer in viewer.layers
        if is_checked_of(layer, view)
        for field in polygons(layer, view.frame)
    ]


def polygons(layer: Any, frame: Frame) -> list[BaseGeometry]:
    """Return the shapes of a layer as polygons, ellipses included, lines left out.

    Parameters
    ----------
    layer : napari.layers.Shapes
        A layer.
    frame : Frame
        Where the slide lies in whose pixels they are wanted.
    """
    found = []
    to_world = _world_map(layer)
    for data, kind in zip(layer.data, layer.shape_type, strict=True):
        if kind in ("path", "line"):
            continue
        corners = _ellipse(data) if kind == "ellipse" else np.asarray(data)
        world = to_world(corners)[:, -2:]
        found.append(shapely.make_valid(shapely.Polygon(frame.to_slide(world)[:, ::-1])))
    return found


def _world_map(layer: Any) -> Callable[[Points], Points]:
    """Return what takes points of a layer to the world; a layer itself takes one at a time."""
    origin = np.array(layer.data_to_world(np.zeros(layer.ndim)))
    axes = np.array([layer.data_to_world(axis) for axis in np.eye(layer.ndim)]) - origin
    return lambda points: points @ axes + origin


def _ellipse(corners: Any) -> Points:
    """Return 64 points of the ellipse inside four corners, in turn around it."""
    corners = np.asarray(corners, float)
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
    centre = corners.mean(axis=0)
    across, down = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    return np.asarray(centre + np.cos(turn) * across + np.sin(turn) * down)


def _is_shapes(layer: Layer) -> bool:
    # By name, so that this module loads without the layers themselves.
    return type(layer).__name__ == "Shapes"


def _views(viewer: ViewerModel, kind: type) -> dict[str, Any]:
    return {
        layer.name: layer.metadata[KEY]
        for layer in viewer.layers
        if isinstance(layer.metadata.get(KEY), kind)
    }


def by_preference(viewer: ViewerModel) -> list[Layer]:
    """Return the layers, the selected one first, then from the top down."""
    active = viewer.layers.selection.active
    ordered = list(reversed(viewer.layers))
    return (
        ordered if active is None else [active, *(each for each in ordered if each is not active)]
    )

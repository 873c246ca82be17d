"""µm per pixel that are typed in the window for a slide whose file states none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wsiseg.segmentation.options import SegmentOptions
from wsiseg.tiling.slides import MeasuredSlide, with_slide_mpp
from wsiseg.viewer import scene
from wsiseg.viewer.checked_fields import CheckedFields
from wsiseg.viewer.drawings import DrawingView
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import KEY, CompanionView, MaskView, SlideView
from wsiseg.viewer.layers.region import RegionView

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


UNREAD = "unread"
"""The µm per pixel of a checkpoint that is still to be read."""


def typed_mpp(view: SlideView) -> float | None:
    """Return the µm per pixel of a slide, if the user gave them."""
    return view.slide.mpp_given if isinstance(view.slide, MeasuredSlide) else None


def can_type_mpp(view: SlideView) -> bool:
    """Tell whether µm per pixel may be given: the file states none."""
    if isinstance(view.slide, MeasuredSlide):
        return not view.slide.overrides
    return view.frame.mpp is None


def give_mpp(viewer: ViewerModel, view: SlideView, mpp: float) -> SlideView:
    """Give a slide in the window its µm per pixel; all that lies on it grows with it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The window.
    view : SlideView
        The slide, whose file states none.
    mpp : float
        µm per pixel of level 0.

    Returns
    -------
    SlideView
        The slide as it is now.

    Raises
    ------
    ResolutionError
        If the file states another value, or it is outside 0.05 to 20 µm per pixel.
    """
    slide = view.slide.slide if isinstance(view.slide, MeasuredSlide) else view.slide
    measured = with_slide_mpp(slide, mpp)
    given = SlideView(measured, Frame.of(measured))
    larger = given.frame.pixel / view.frame.pixel
    for layer in viewer.layers:
        if scene.slide_under(viewer, layer) in (None, view):
            _enlarge(layer, larger, given)
    camera = viewer.scene.camera
    camera.center = tuple(np.array(camera.center) * larger)
    camera.zoom /= larger
    return given


def _enlarge(layer: Layer, larger: float, given: SlideView) -> None:
    layer.scale = np.array(layer.scale) * larger
    layer.translate = np.array(layer.translate) * larger
    affine = layer.affine.affine_matrix.copy()
    affine[:-1, -1] *= larger
    layer.affine = affine
    layer.units = (given.frame.unit,) * layer.ndim
    if KEY in layer.metadata:
        layer.metadata[KEY] = _measured(layer.metadata[KEY], given)


def _measured(shown: Any, given: SlideView) -> Any:
    """Return what a layer shows, on a slide with other µm per pixel."""
    match shown:
        case SlideView():
            return given
        case RegionView(plane=plane):
            mpp = given.frame.pixel * plane.slide_scale
            return replace(shown, slide=given, plane=replace(plane, mpp=mpp))
        case CheckedFields():
            return CheckedFields(given)
        case MaskView() | DrawingView():
            return replace(shown, frame=given.frame)
        case CompanionView(mask=mask):
            return replace(shown, mask=replace(mask, frame=given.frame))
        case _:
            return shown


def describe_resolution(
    options: SegmentOptions, trained: float | str | None, view: SlideView
) -> str:
    """Return in a line at which resolution a slide is segmented, and why if not as trained.

    Parameters
    ----------
    options : SegmentOptions
        `mpp` and `level` count.
    trained : float or str or None
        µm per pixel of the checkpoint, None if it names none, or `UNREAD`.
    view : SlideView
        The slide.
    """
    own = view.frame.mpp
    known = f", the checkpoint was trained at {trained:g} µm/px" if _is_number(trained) else ""
    if options.level is not None:
        size = "its µm/px are unknown" if own is None else f"{own:g} µm/px"
        return f"Segments at level {options.level} as it is ({size}){known}."
    if options.mpp is None and trained is None:
        return "The checkpoint names no µm/px: segments level 0 as it is."
    if own is None:
        return "The file of the slide states no µm/px: type them, or choose level 0."
    said = f"{own:g}, as typed" if typed_mpp(view) else f"{own:g}"
    if options.mpp is not None:
        return f"Segments at {options.mpp:g} µm/px; the slide has {said}{known}."
    at = f"{trained:g}" if _is_number(trained) else "the checkpoint's"
    return f"Segments at {at} µm/px, as trained; the slide has {said}."


def describe_trained(trained: float | str | None) -> str:
    """Return what *as trained* means, as far as it is known."""
    match trained:
        case None:
            return "as trained: unknown"
        case str():
            return "as trained"
        case _:
            return f"as trained: {trained:g} µm/px"


def _is_number(trained: object) -> bool:
    return isinstance(trained, float | int)

"""The reader: layers of slides, masks and annotations that are opened or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari

from wsiseg.errors import ArgumentError, OutputError, WsisegError
from wsiseg.tiling.slides import open_slide
from wsiseg.tiling.slides.files import sample_name
from wsiseg.viewer import scene
from wsiseg.viewer.busy import without_blocking
from wsiseg.viewer.doubts import doubts_of
from wsiseg.viewer.drawings import drawing_layer, read_drawing
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import KEY, LayerData, MaskView, SlideView, slide_layer
from wsiseg.viewer.notifications import damage_notifier, notify_error, notify_warning
from wsiseg.viewer.readers.finder import is_drawing
from wsiseg.viewer.readers.stores import is_slide, open_store, store_layers
from wsiseg.viewer.run_notes import run_warnings

if TYPE_CHECKING:
    from napari.components import ViewerModel

NOTHING: list[Any] = [(None,)]
"""Tells napari that a file was dealt with and gives no layer."""


def read(path: str | Sequence[str]) -> list[Any]:
    """Return the layers of files; what cannot be read is shown as a notification.

    A mask lies on its slide if that is in the window, whatever the two say of the resolution.
    Shapes lie on the slide of the same name, or else on that which is selected.
    """
    viewer = napari.current_viewer()
    shown = {} if viewer is None else scene.slides(viewer)
    shown = {view.slide.path.name: view for view in shown.values()}
    layers: list[Any] = []
    for each in map(Path, [path] if isinstance(path, str) else path):
        try:
            if is_drawing(each):
                layers += without_blocking(_shapes, each, _slide_below(each, viewer))
            else:
                layers += without_blocking(_layers, each, shown)
        except WsisegError as error:
            notify_error(error)
    return layers or NOTHING


def _slide_below(drawing: Path, viewer: ViewerModel | None) -> SlideView:
    if viewer is None:
        raise ArgumentError(
            "annotations are shown on their slide", drawing, "Open the slide first."
        )
    name = sample_name(drawing.name)
    for view in scene.slides(viewer).values():
        if sample_name(view.slide.path.name) == name:
            return view
    return scene.current_slide(viewer)


def _shapes(path: Path, view: SlideView) -> list[Any]:
    drawing = read_drawing(path, view)
    for note in drawing.file.notes:
        notify_warning(f"{path.name}: {note}.")
    return [drawing_layer(drawing)]


def _warn(layers: Sequence[LayerData], slide: SlideView | None) -> None:
    """Tell what is doubtful of masks, and what their runs warned of."""
    for _, settings, _ in layers:
        mask = settings.get("metadata", {}).get(KEY)
        if isinstance(mask, MaskView):
            for doubt in doubts_of(mask, slide):
                notify_warning(doubt)
            try:
                warned = run_warnings(mask.image)
            except OutputError as error:
                notify_warning(str(error))
                continue
            if warned:
                more = f" (and {len(warned) - 1} more, see the Legend)" if warned[1:] else ""
                notify_warning(f"{mask.image.path.name}: its run warned: {warned[0]}{more}")


def _layers(path: Path, shown: Mapping[str, SlideView]) -> list[Any]:
    tell = damage_notifier()
    if not is_slide(path):
        slide_name = str(open_store(path).notes.get("slide"))
        view = shown.get(slide_name)
        layers = store_layers(path, tell, None if view is None else view.frame)
        _warn(layers, view)
        return layers
    slide = open_slide(path)
    return [slide_layer(SlideView(slide, Frame.of(slide)), tell)]

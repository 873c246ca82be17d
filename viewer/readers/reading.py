"""The reader: layers of slides, masks and what stands beside them, opened or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import napari

from wsiseg.errors import WsisegError
from wsiseg.tiling.slides import open_slide
from wsiseg.viewer import scene
from wsiseg.viewer.busy import without_blocking
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import SlideView, slide_layer
from wsiseg.viewer.notifications import damage_notifier, notify_error
from wsiseg.viewer.readers.stores import is_slide, open_store, store_layers

NOTHING: list[Any] = [(None,)]
"""Tells napari that a file was dealt with and gives no layer."""


def read(path: str | Sequence[str]) -> list[Any]:
    """Return the layers of slides and masks; what cannot be read is shown as a notification.

    A mask lies on its slide if that is in the window, whatever the two say of the resolution.
    """
    viewer = napari.current_viewer()
    shown = {} if viewer is None else scene.slides(viewer)
    frames = {view.slide.path.name: view.frame for view in shown.values()}
    layers: list[Any] = []
    for each in [path] if isinstance(path, str) else path:
        try:
            layers += without_blocking(_layers, Path(each), frames)
        except WsisegError as error:
            notify_error(error)
    return layers or NOTHING


def _layers(path: Path, frames: Mapping[str, Frame]) -> list[Any]:
    tell = damage_notifier()
    if not is_slide(path):
        slide_name = str(open_store(path).notes.get("slide"))
        return store_layers(path, tell, frames.get(slide_name))
    slide = open_slide(path)
    return [slide_layer(SlideView(slide, Frame.of(slide)), tell)]

"""What napari calls when a user opens or drops a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wsiseg.errors import WsisegError
from wsiseg.tiling.slides import open_slide
from wsiseg.viewer.frame import Frame
from wsiseg.viewer.layers import SlideView, slide_layer
from wsiseg.viewer.stores import is_for_us, store_layers
from wsiseg.viewer.telling import tell_error, tell_once
from wsiseg.viewer.waiting import without_blocking

Reader = Callable[[Any], list[Any]]

NOTHING: list[Any] = [(None,)]
"""Tells napari that a file was dealt with and gives no layer."""


def find_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader of slides and masks, or None for what is neither.

    Parameters
    ----------
    path : str or sequence of str
        What is to be opened.
    """
    paths = _paths(path)
    return read if paths and all(_is_ours(each) for each in paths) else None


def read(path: str | Sequence[str]) -> list[Any]:
    """Return the layers of slides and masks; what cannot be read is told in a notification."""
    layers: list[Any] = []
    for each in _paths(path):
        try:
            layers += without_blocking(_layers, each)
        except WsisegError as error:
            tell_error(error)
    return layers or NOTHING


def _layers(path: Path) -> list[Any]:
    tell = tell_once()
    if path.is_dir():
        return store_layers(path, tell)
    slide = open_slide(path)
    return [slide_layer(SlideView(slide, Frame.of(slide)), tell)]


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(each) for each in ([path] if isinstance(path, str) else path)]


def _is_ours(path: Path) -> bool:
    """Leave other Zarr to other plug-ins; a damaged slide is ours, to say what is wrong."""
    return is_for_us(path) if path.is_dir() else path.is_file()

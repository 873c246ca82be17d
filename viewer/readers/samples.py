"""Sample data: a demonstration slide and its mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from wsiseg.demo.slide import build_demo_slide, demo_slide_stands
from wsiseg.errors import WsisegError
from wsiseg.segmentation.segmenting import segment
from wsiseg.store.disk import translate_write_errors
from wsiseg.tiling.slides import open_slide
from wsiseg.viewer.busy import without_blocking
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import SlideView, slide_layer
from wsiseg.viewer.notifications import damage_notifier, notify_error
from wsiseg.viewer.readers.reading import NOTHING
from wsiseg.viewer.readers.stores import store_layers

HEIGHT, WIDTH = 2500, 3000


def demo() -> list[Any]:
    """Return a small demonstration slide and its mask, made when they are first asked for."""
    try:
        return without_blocking(_demo, user_cache_path("wsiseg", appauthor=False))
    except WsisegError as error:
        notify_error(error)
        return NOTHING


def _demo(folder: Path) -> list[Any]:
    slide_path, mask = folder / "demo.tiff", folder / "demo.ome.zarr"
    if not (demo_slide_stands(slide_path) and (mask / "zarr.json").is_file()):
        with translate_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        build_demo_slide(slide_path, HEIGHT, WIDTH)
        segment(slide_path, None, folder, overwrite=True)
    slide, tell = open_slide(slide_path), damage_notifier()
    view = SlideView(slide, Frame.of(slide))
    return [slide_layer(view, tell), *store_layers(mask, tell, view.frame)]

"""A window with everything in place, as ``wsiseg view`` opens it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

# Without one of Qt's bindings this says so, before anything is opened.
import napari.qt
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from wsiseg.checkpoints.sources import read_source
from wsiseg.errors import ArgumentError
from wsiseg.tiling.slides import open_slide, with_slide_mpp
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import (
    KEY,
    LayerData,
    MaskView,
    SlideView,
    mask_frame,
    slide_layer,
    tissue_layer,
)
from wsiseg.viewer.notifications import damage_notifier, notify_warning
from wsiseg.viewer.plain_text import plain
from wsiseg.viewer.readers.stores import is_slide, open_store, store_layers
from wsiseg.viewer.scene import add_layers
from wsiseg.viewer.widgets.sharing import share_checkpoint

if TYPE_CHECKING:
    from napari.components import ViewerModel

WIDGETS, LEGEND = ("Segment", "Annotate", "Fine-tune", "Areas", "Throughput"), "Legend"
"""Tabs at the right, and the dock below them."""

_SCALE_BAR = "#00a040"
"""Stands out from glass, from tissue and from the empty canvas."""


def view(
    slide: Path,
    masks: Sequence[Path],
    slide_mpp: float | None = None,
    reader: str | None = None,
    checkpoint: str | None = None,
    *,
    override_mpp: bool = False,
) -> None:
    """Open a window and stay until it is closed; see :func:`open_window`."""
    with sparing_collector():
        open_window(slide, masks, slide_mpp, reader, checkpoint, override_mpp=override_mpp)
    napari.run()


@contextmanager
def sparing_collector() -> Iterator[None]:
    """Keep all objects of the start out of later garbage collections.

    napari collects whenever a layer goes, which takes a third of a second with the modules of
    PyTorch in memory.
    """
    gc.freeze()
    yield
    gc.collect()
    gc.freeze()


def open_window(
    slide: Path,
    masks: Sequence[Path],
    slide_mpp: float | None = None,
    reader: str | None = None,
    checkpoint: str | None = None,
    *,
    override_mpp: bool = False,
) -> napari.Viewer:
    """Return a window with a slide, masks over it, tissue, legend and scale bar.

    Parameters
    ----------
    slide : Path
        What :func:`wsiseg.open_slide` takes, or a store that holds an image.
    masks : sequence of Path
        OME-Zarr label images, probabilities, or uncertainty.
    slide_mpp : float, optional
        µm per pixel of level 0, where the file states none.
    reader : str, optional
        See :func:`wsiseg.open_slide`.
    checkpoint : str, optional
        What *Segment* begins with, as :func:`wsiseg.load_checkpoint` takes it.
    override_mpp : bool
        Whether `slide_mpp` counts where the file states another value, too.

    Raises
    ------
    SlideError, AnnotationError, CheckpointError
        If one of them cannot be read; no window is opened then.
    """
    if checkpoint is not None:
        read_source(checkpoint)
    layers = scene_layers(slide, masks, slide_mpp, reader, override_mpp=override_mpp)
    viewer = napari.Viewer(title=plain(f"{slide.name} - wsiseg"))
    # The first layer of labels costs napari several times what another does, and would hold the
    # window when the first tiles are labelled.
    viewer.layers.remove(viewer.add_labels(np.zeros((1, 1), np.uint8)))
    add_layers(viewer, layers)
    furnish(viewer)
    tabs = [
        viewer.window.add_plugin_dock_widget("wsiseg", name, tabify=position > 0)[0]
        for position, name in enumerate(WIDGETS)
    ]
    _raise_soon(tabs[0])
    if checkpoint is not None:
        share_checkpoint(viewer, checkpoint)
    viewer.window.add_plugin_dock_widget("wsiseg", LEGEND)
    for doubt in _doubts(layers):
        notify_warning(doubt)
    return viewer


def _doubts(layers: Sequence[LayerData]) -> Iterator[str]:
    """Yield which masks say that they are of another slide than the one below them."""
    views = [settings.get("metadata", {}).get(KEY) for _, settings, _ in layers]
    names = {view.slide.path.name for view in views if isinstance(view, SlideView)}
    for mask in views:
        named = mask.image.notes.get("slide") if isinstance(mask, MaskView) else None
        if names and named is not None and named not in names:
            yield f"{mask.image.path.name} is a mask of {named}, and may lie wrong on this slide."


def _raise_soon(dock: QWidget) -> None:
    """Bring a tab to the front; before the window is laid out, the last one would come up again."""
    timer = QTimer(dock)
    timer.setSingleShot(True)
    timer.timeout.connect(dock.raise_)
    timer.start(0)


def scene_layers(
    slide: Path,
    masks: Sequence[Path],
    slide_mpp: float | None = None,
    reader: str | None = None,
    *,
    override_mpp: bool = False,
) -> list[LayerData]:
    """Return slide, tissue and masks from the bottom up; see :func:`open_window`."""
    tell = damage_notifier()
    if not is_slide(slide):
        if slide_mpp is not None:
            raise ArgumentError("a store knows its resolution", "`slide_mpp`", "Leave it out.")
        if reader is not None:
            raise ArgumentError("a store needs no reader", "`reader`", "Leave it out.")
        return [layer for store in (slide, *masks) for layer in store_layers(store, tell)]
    with ExitStack() as stack:
        opened = stack.enter_context(
            open_slide(slide, reader, slide_mpp=slide_mpp, override_mpp=override_mpp)
        )
        if opened.mpp is None and (typed := next(filter(None, map(_typed_mpp, masks)), None)):
            opened = with_slide_mpp(opened, typed)
        frame = Frame.of(opened)
        shown = SlideView(opened, frame)
        layers = [slide_layer(shown, tell), tissue_layer(shown)]
        layers += [layer for mask in masks for layer in store_layers(mask, tell, frame)]
        # The layers read from it from now on.
        stack.pop_all()
    return layers


def _typed_mpp(mask: Path) -> float | None:
    """Return µm per pixel of a mask's slide by its run, to which they may have been given."""
    image = open_store(mask)
    return mask_frame(image).mpp if "slide_scale" in image.notes else None


def furnish(viewer: ViewerModel) -> None:
    """Show the scale bar, and select the topmost mask, or else the slide."""
    bar = viewer.canvas.overlays.scale_bar
    # A box behind it would have a shader compiled at every step of a zoom.
    bar.box, bar.colored, bar.color = False, True, _SCALE_BAR
    bar.visible = True
    for kind in (MaskView, SlideView):
        shown = [each for each in viewer.layers if isinstance(each.metadata.get(KEY), kind)]
        if shown:
            viewer.layers.selection.active = shown[-1]
            return

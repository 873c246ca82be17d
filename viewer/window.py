"""A window with everything in place, as ``wsiseg view`` opens it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Without one of Qt's bindings this says so, before anything is opened.
import napari.qt
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from wsiseg.checkpoints.sources import read_source
from wsiseg.errors import ArgumentError
from wsiseg.viewer.doubts import doubts_of
from wsiseg.viewer.layers.layer_data import KEY, MaskView, SlideView
from wsiseg.viewer.notifications import notify_warning
from wsiseg.viewer.opening import furnish, scene_layers
from wsiseg.viewer.own_viewer import OwnViewer
from wsiseg.viewer.plain_text import plain
from wsiseg.viewer.project import Project, is_project, open_project
from wsiseg.viewer.scene import add_layers
from wsiseg.viewer.widgets.sharing import share_checkpoint
from wsiseg.viewer.widgets.slides import SlidesWidget

WIDGETS, LEGEND = ("Segment", "Annotate", "Fine-tune", "Areas", "Throughput", "Slides"), "Legend"
"""Tabs at the right, and the dock below them."""


def stay() -> None:
    """Stay until the window is closed."""
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
    slide: Path | str,
    masks: Sequence[Path | str],
    slide_mpp: float | None = None,
    reader: str | None = None,
    checkpoint: str | None = None,
    *,
    override_mpp: bool = False,
) -> napari.Viewer:
    """Return a window with a slide, masks over it, tissue, legend and scale bar.

    Parameters
    ----------
    slide : path-like
        What :func:`wsiseg.open_slide` takes, or a store that holds an image; or what
        :func:`wsiseg.viewer.project.open_project` takes, whose current slide is shown.
    masks : sequence of path-like
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
    SlideError, AnnotationError, CheckpointError, ArgumentError, DataSetError
        If one of them cannot be read; no window is opened then.
    """
    slide, opened = Path(slide), [Path(mask) for mask in masks]
    if checkpoint is not None:
        read_source(checkpoint)
    project = None
    if is_project(slide):
        project = open_project(slide)
        slide, opened, slide_mpp = _current(project, opened, slide_mpp)
    layers = scene_layers(slide, opened, slide_mpp, reader, override_mpp=override_mpp)
    viewer = OwnViewer(title=plain(f"{slide.name} - wsiseg"))
    # The first layer of labels costs napari several times what another does, and would hold the
    # window when the first tiles are labelled.
    viewer.layers.remove(viewer.add_labels(np.zeros((1, 1), np.uint8)))
    add_layers(viewer, layers)
    furnish(viewer)
    tabs = [
        viewer.window.add_plugin_dock_widget("wsiseg", name, tabify=position > 0)[0]
        for position, name in enumerate(WIDGETS)
    ]
    for dock, name in zip(tabs, WIDGETS, strict=True):
        # As napari names it, "Segment (wsiseg)", five tabs would have no room.
        dock.setWindowTitle(name)
    if project is None:
        _raise_soon(tabs[0])
    if checkpoint is not None:
        share_checkpoint(viewer, checkpoint)
    viewer.window.add_plugin_dock_widget("wsiseg", LEGEND)
    if project is not None:
        (slides,) = (w for w in viewer.window.dock_widgets.values() if isinstance(w, SlidesWidget))
        slides.take(project, shown=True)
        _raise_soon(tabs[-1])
    views = [settings.get("metadata", {}).get(KEY) for _, settings, _ in layers]
    shown = next((view for view in views if isinstance(view, SlideView)), None)
    for mask in (view for view in views if isinstance(view, MaskView)):
        for doubt in doubts_of(mask, shown):
            notify_warning(doubt)
    return viewer


def _current(
    project: Project, masks: Sequence[Path], slide_mpp: float | None
) -> tuple[Path, list[Path], float | None]:
    """Return the slide of a project that is shown, its mask if there is one, and its resolution."""
    if masks:
        raise ArgumentError(
            "masks can be given for one slide only",
            "`masks`",
            "Masks of a list are found by their names.",
        )
    slide, state = project.slides[project.current], project.states()[project.current]
    found = [] if state.mask is None else [state.mask]
    return slide.path, found, slide_mpp if slide.slide_mpp is None else slide.slide_mpp


def _raise_soon(dock: QWidget) -> None:
    """Bring a tab to the front; before the window is laid out, the last one would come up again."""
    timer = QTimer(dock)
    timer.setSingleShot(True)
    timer.timeout.connect(dock.raise_)
    timer.start(0)

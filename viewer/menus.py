"""What napari's own menus offer: the widgets, and more of the slide that is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import napari

from wsiseg.errors import ArgumentError
from wsiseg.viewer import scene
from wsiseg.viewer.busy import without_blocking
from wsiseg.viewer.layers.layer_data import LayerData, SlideView, associated_layers, tissue_layer
from wsiseg.viewer.notifications import errors_notified


def show_segment() -> None:
    """Open *Segment*."""
    _show_widget("Segment")


def show_annotate() -> None:
    """Open *Annotate*."""
    _show_widget("Annotate")


def show_fine_tune() -> None:
    """Open *Fine-tune*."""
    _show_widget("Fine-tune")


def show_areas() -> None:
    """Open *Areas*."""
    _show_widget("Areas")


def show_throughput() -> None:
    """Open *Throughput*."""
    _show_widget("Throughput")


def show_slides() -> None:
    """Open *Slides*."""
    _show_widget("Slides")


def add_tissue() -> None:
    """Outline the tissue of the current slide."""
    _add_to_slide(lambda view: [tissue_layer(view)])


def add_associated() -> None:
    """Show label, macro and thumbnail beside the current slide."""
    _add_to_slide(_find_associated)


def _find_associated(view: SlideView) -> Sequence[LayerData]:
    layers = associated_layers(view)
    if not layers:
        raise ArgumentError(f"{view.slide.name} holds no label, macro or thumbnail")
    return layers


def _show_widget(name: str) -> None:
    napari.current_viewer().window.add_plugin_dock_widget("wsiseg", name)


def _add_to_slide(make: Callable[[SlideView], Sequence[LayerData]]) -> None:
    viewer = napari.current_viewer()
    with errors_notified():
        view, active = scene.current_slide(viewer), viewer.layers.selection.active
        scene.add_layers(viewer, without_blocking(make, view))
        # What was selected is what the widgets work on.
        viewer.layers.selection.active = active

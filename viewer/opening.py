"""What a slide is opened with: its layers from the bottom up, and what stands on the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

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
from wsiseg.viewer.notifications import damage_notifier
from wsiseg.viewer.readers.stores import is_slide, open_store, store_layers

if TYPE_CHECKING:
    from napari.components import ViewerModel

_INK, _BACKING = "white", (0.0, 0.0, 0.0, 0.75)
"""Of the scale bar, which is read on glass, on tissue and on the empty canvas."""


def scene_layers(
    slide: Path,
    masks: Sequence[Path],
    slide_mpp: float | None = None,
    reader: str | None = None,
    *,
    override_mpp: bool = False,
) -> list[LayerData]:
    """Return slide, tissue and masks from the bottom up, of what ``wsiseg view`` takes.

    Parameters
    ----------
    slide, masks, slide_mpp, reader, override_mpp
        As :func:`wsiseg.viewer.window.open_window` takes them.
    """
    tell = damage_notifier()
    if not is_slide(slide):
        if slide_mpp is not None:
            raise ArgumentError(
                "an OME-Zarr store states its own resolution", "`slide_mpp`", "Leave it out."
            )
        if reader is not None:
            raise ArgumentError("a reader is chosen for slides only", "`reader`", "Leave it out.")
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
    bar.box, bar.box_color, bar.colored, bar.color = True, _BACKING, True, _INK
    bar.visible = True
    for kind in (MaskView, SlideView):
        shown = [each for each in viewer.layers if isinstance(each.metadata.get(KEY), kind)]
        if shown:
            viewer.layers.selection.active = shown[-1]
            return

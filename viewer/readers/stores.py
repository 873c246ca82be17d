"""What a run leaves, as layers: masks, images with masks inside, probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import zarr

from wsiseg.error_translation import translate_errors
from wsiseg.errors import AnnotationError, SlideError
from wsiseg.store.label_images import LabelImage, open_label_image
from wsiseg.store.metadata import LABELS
from wsiseg.store.outputs import PROBABILITIES, STORE
from wsiseg.tiling.slides import open_slide
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import (
    LayerData,
    MaskView,
    as_data,
    mask_frame,
    mask_layer,
    probability_layers,
)
from wsiseg.viewer.layers.levels import DamageListener, probability_levels


def store_layers(
    path: Path, damaged: DamageListener, frame: Frame | None = None
) -> list[LayerData]:
    """Return what a store shows: its image, if it holds one, and its labels; or probabilities.

    Parameters
    ----------
    path : Path
        An OME-Zarr store.
    damaged : callable
        See :class:`wsiseg.viewer.layers.levels.SlideLevel`.
    frame : Frame, optional
        Of the slide that is in the window; the store's own if left out.

    Raises
    ------
    AnnotationError
        If it is no store of labels, or one of pixels in another shape than the slide's.
    """
    image = open_store(path)
    if frame is not None:
        # Pixels without a unit are those of the file.
        image.refuse_other_pixels(frame.stretch)
        if image.unit is None and frame.stretch != (1.0, 1.0):
            raise AnnotationError(
                "the mask has pixels that are not square, as its slide's file", path
            )
    view = MaskView(image, frame or mask_frame(image))
    if path.name.endswith(PROBABILITIES):
        return probability_layers(_arrays(path), view, damaged)
    return [*_picture(path, view, damaged), mask_layer(view, damaged)]


def is_slide(path: Path) -> bool:
    """Tell what is read as a slide from masks, images with masks inside, and probabilities."""
    if not path.is_dir():
        return True
    if (path / LABELS).is_dir() or path.name.endswith(PROBABILITIES):
        return False
    try:
        open_slide(path).close()
    except SlideError:
        return False
    return True


def open_store(path: Path) -> LabelImage:
    """Open a mask; for probabilities that beside them, which names the classes and their place.

    Raises
    ------
    AnnotationError
        If it is no store of labels.
    """
    if path.name.endswith(PROBABILITIES):
        path = path.with_name(path.name.removesuffix(PROBABILITIES) + STORE)
    return open_label_image(path)


def _arrays(path: Path) -> list[Any]:
    """Return the levels of an image, the finest first."""
    with translate_errors(lambda why: AnnotationError(f"the image cannot be read: {why}", path)):
        group = zarr.open_group(path, mode="r")
        return [group[str(level)] for level in range(len(list(group.array_keys())))]


def _picture(path: Path, view: MaskView, damaged: DamageListener) -> list[LayerData]:
    """Return the slide's pixels of a store that was written with them."""
    if view.image.path == path:
        return []
    arrays = _arrays(path)
    channels = [probability_levels(arrays, path, channel, damaged) for channel in range(3)]
    levels = [da.stack(planes, axis=-1) for planes in zip(*channels, strict=True)]  # type: ignore[no-untyped-call]
    settings = {
        "name": path.name.removesuffix(".ome.zarr"),
        "rgb": True,
        "cache": False,
        **view.placing(),
    }
    return [(as_data(levels), settings, "image")]

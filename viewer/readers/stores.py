"""What a run leaves, as layers: masks, images around them, probabilities, uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import zarr

from wsiseg.error_translation import translate_errors
from wsiseg.errors import AnnotationError, OutputError, SlideError
from wsiseg.store.label_images import LabelImage, is_store, open_label_image
from wsiseg.store.metadata import LABELS
from wsiseg.store.outputs import PROBABILITIES, STORE, UNCERTAINTY, mask_beside
from wsiseg.tiling.slides import open_slide
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import (
    LayerData,
    MaskView,
    analysed_layer,
    as_data,
    mask_frame,
    mask_layer,
    probability_layers,
    uncertainty_layer,
)
from wsiseg.viewer.layers.levels import DamageListener, plane_levels
from wsiseg.viewer.run_notes import has_regions


def store_layers(
    path: Path, damaged: DamageListener, frame: Frame | None = None
) -> list[LayerData]:
    """Return what a store shows: its image, if it holds one, and its labels; or what it holds.

    Below the labels lies how uncertain they are, hidden, if that stands beside them, and the border
    of what was analysed, if that were regions.

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
        return probability_layers(_companion(path, image), view, damaged)
    if path.name.endswith(UNCERTAINTY):
        return [uncertainty_layer(_companion(path, image), view, damaged, visible=True)]
    return [
        *_picture(path, view, damaged),
        *_uncertainty_beside(view, damaged),
        *_border(view, damaged),
        mask_layer(view, damaged),
    ]


def is_slide(path: Path) -> bool:
    """Tell what is read as a slide from masks, what stands beside them, and images around them."""
    if not path.is_dir():
        return True
    if (path / LABELS).is_dir() or mask_beside(path) is not None:
        return False
    try:
        open_slide(path).close()
    except SlideError:
        return False
    return True


def open_store(path: Path) -> LabelImage:
    """Open a mask; for what stands beside one, that, which names the classes and their place.

    Raises
    ------
    AnnotationError
        If it is no store of labels.
    """
    return open_label_image(mask_beside(path) or path)


def _companion(path: Path, image: LabelImage) -> list[Any]:
    """Return the levels of what stands beside a mask, the finest first."""
    arrays = _arrays(path)
    if not arrays or arrays[0].shape[-2:] != image.values.shape:
        raise AnnotationError("it has another size than the mask beside it", path)
    return arrays


def _uncertainty_beside(view: MaskView, damaged: DamageListener) -> Iterator[LayerData]:
    """Yield how uncertain a mask is, if that stands beside it."""
    stores = (path for path in (view.image.path, *view.image.path.parents))
    store = next((path for path in stores if path.name.endswith(STORE)), None)
    if store is None:
        return
    path = store.with_name(store.name.removesuffix(STORE) + UNCERTAINTY)
    if is_store(path):
        try:
            yield uncertainty_layer(_companion(path, view.image), view, damaged, visible=False)
        except AnnotationError as error:
            # The mask can be looked at without it.
            damaged(error)


def _border(view: MaskView, damaged: DamageListener) -> Iterator[LayerData]:
    """Yield the border of what was analysed, if that were regions."""
    try:
        if has_regions(view.image):
            yield analysed_layer(view)
    except AnnotationError as error:
        # What can be read of the mask is shown all the same.
        damaged(error)
    except OutputError:
        # The legend shows what is wrong with the run file in place of its warnings.
        return


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
    channels = [plane_levels(arrays, path, channel, damaged) for channel in range(3)]
    levels = [da.stack(planes, axis=-1) for planes in zip(*channels, strict=True)]  # type: ignore[no-untyped-call]
    settings = {
        "name": path.name.removesuffix(".ome.zarr"),
        "rgb": True,
        "cache": False,
        **view.placing(),
    }
    return [(as_data(levels), settings, "image")]

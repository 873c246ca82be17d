"""What makes it doubtful that a mask is of the slide below it."""

from __future__ import annotations

from wsiseg.annotations.off_tissue import describe_labels_off_tissue
from wsiseg.annotations.raster import RasterLabels, make_lookup_table
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.viewer.layers.layer_data import MaskView, SlideView


def doubts_of(mask: MaskView, view: SlideView | None) -> list[str]:
    """Return sentences on why a mask may be of another slide.

    Parameters
    ----------
    mask : MaskView
        The mask, in the frame of the slide.
    view : SlideView or None
        The slide, if it is in the window.

    Raises
    ------
    AnnotationError, SlideError
        If they cannot be read.
    """
    if view is None:
        return []
    name, image = view.slide.path.name, mask.image
    named = image.notes.get("slide")
    if named not in (None, name):
        return [f"{image.path.name} is a mask of {named}, and may lie wrong on this slide."]
    if "run" in image.notes:
        # A run of ours finds the tissue itself, and is of the slide that it names.
        return []
    table = make_lookup_table({value: value for value in range(NO_LABEL + 1)})
    if 0 not in image.classes:
        # napari leaves it where nobody painted.
        table[0] = NO_LABEL
    labels = RasterLabels(
        image.values,
        table,
        plane_at_level(view.slide, 0),
        image.path,
        pixel=(mask.pixel, mask.pixel),
        corner=mask.corner,
        overview=image.overview,
    )
    found = describe_labels_off_tissue(labels, view.slide)
    return [f"{image.path.name}: {each}" for each in found]

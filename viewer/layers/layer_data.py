"""Layer data for napari: the array, its transform and look, and the type of layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from napari.utils.colormaps import Colormap, DirectLabelColormap
from shapely.geometry.base import BaseGeometry
from skimage.measure import approximate_polygon, find_contours

from wsiseg.classes import LabelClass
from wsiseg.store.label_images import LabelImage
from wsiseg.store.metadata import NOT_ANALYSED
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.tissue import find_tissue
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.levels import (
    DamageListener,
    label_levels,
    plane_levels,
    slide_levels,
)
from wsiseg.viewer.layers.run_tiles import RunTiles
from wsiseg.viewer.plain_text import plain

LayerData = tuple[Any, dict[str, Any], str]

KEY = "wsiseg"
"""Key in a layer's metadata under which a layer of this package holds its view."""

TISSUE = "tissue"
"""Under it those of the outline of the tissue, which nobody drew."""

MASK_OPACITY = 0.5
CLEAR = (0.0, 0.0, 0.0, 0.0)
"""Over what was not analysed: a veil would change the colours that are to be judged."""
_OUTLINE = "#00b3b3"
BORDER = "#00a040"
"""Stands out from glass, from tissue and from the empty canvas."""
_THIN = 800
"""Parts of a plane's longer side that a border is thick."""
_DOUBT = [(0.0, 0.7, 0.7, 0.0), (0.0, 0.7, 0.7, 0.7), (1.0, 1.0, 0.0, 1.0)]
"""Colours that tissue does not have: turquoise where a class is in doubt, yellow in full doubt."""


@dataclass(frozen=True)
class SlideView:
    """A slide in the window.

    Attributes
    ----------
    slide : Slide
        Open.
    frame : Frame
        Where it lies.
    """

    slide: Slide
    frame: Frame

    def box_around(self, region: BaseGeometry) -> Box:
        """Return the box of level 0 around a region, ``x, y`` in pixels of level 0."""
        left, top, right, bottom = region.bounds
        return Box.around(top, left, bottom, right).intersection(self.slide.levels[0].box)


@dataclass(frozen=True)
class MaskView:
    """A mask in the window.

    Attributes
    ----------
    image : LabelImage
        Its store.
    frame : Frame
        Where it lies.
    """

    image: LabelImage
    frame: Frame

    @property
    def classes(self) -> Mapping[int, LabelClass]:
        """What the labels mean."""
        return self.image.classes

    @property
    def pixel(self) -> float:
        """Pixels of the slide's level 0 along one of the mask's."""
        return self.image.side_and_corner(self.image.slide_pixel(self.frame.mpp))[0]

    @property
    def corner(self) -> tuple[float, float]:
        """``(y, x)`` of the mask's corner in pixels of level 0."""
        return self.image.side_and_corner(self.image.slide_pixel(self.frame.mpp))[1]

    def placing(self) -> dict[str, Any]:
        """Return scale, translation and units of a layer of the mask's pixels."""
        return self.frame.placing(self.pixel, *self.corner)


@dataclass(frozen=True)
class CompanionView:
    """What stands beside a mask, in the window: probabilities or uncertainty.

    Attributes
    ----------
    mask : MaskView
        The mask.
    """

    mask: MaskView


def slide_layer(view: SlideView, damaged: DamageListener) -> LayerData:
    """Return the slide as one RGB layer of many levels.

    Parameters
    ----------
    view : SlideView
        The slide, which stays open while the layer exists.
    damaged : callable
        Receives what cannot be read, see :class:`wsiseg.viewer.layers.levels.SlideLevel`.
    """
    settings = {
        "name": plain(view.slide.name),
        "rgb": True,
        "metadata": {KEY: view},
        # The slide keeps decoded tiles itself, and only so many of them.
        "cache": False,
        **view.frame.placing(),
    }
    return as_data(slide_levels(view.slide, damaged)), settings, "image"


def mask_frame(image: LabelImage) -> Frame:
    """Return the frame of a mask whose slide is not at hand."""
    if image.unit is None:
        return Frame(1.0, "pixel")
    return Frame(image.slide_pixel(None) * image.micrometres, "um")


def mask_layer(view: MaskView, damaged: DamageListener) -> LayerData:
    """Return a mask as one labels layer of many levels, with the names of its classes.

    Parameters
    ----------
    view : MaskView
        The mask, in the frame of its slide; :func:`mask_frame` where that is not at hand.
    damaged : callable
        See :class:`wsiseg.viewer.layers.levels.SlideLevel`.
    """
    settings = {
        "name": plain(_stem(view.image.path)),
        "opacity": MASK_OPACITY,
        "metadata": {KEY: view},
        "cache": False,
        **view.placing(),
        **label_look(view.classes),
    }
    return as_data(label_levels(view.image, damaged)), settings, "labels"


def label_look(classes: Mapping[int, LabelClass]) -> dict[str, Any]:
    """Return colours and names of labels as napari takes them; 255 is *not analysed*."""
    colours: dict[int | None, Any] = {None: CLEAR, NO_LABEL: CLEAR}
    colours |= {value: unit_rgba(entry) for value, entry in classes.items()}
    names = {value: entry.name for value, entry in sorted(classes.items())} | {
        NO_LABEL: NOT_ANALYSED
    }
    return {
        "colormap": DirectLabelColormap(color_dict=colours),
        "features": {"index": list(names), "class": list(map(plain, names.values()))},
    }


def probability_layers(
    arrays: list[Any], view: MaskView, damaged: DamageListener
) -> list[LayerData]:
    """Return the probabilities of every class of a mask, from clear to its colour.

    Parameters
    ----------
    arrays : list of zarr.Array
        uint8 ``(C, H, W)``, the finest first; 255 is 1.
    view : MaskView
        The mask that they belong to.
    damaged : callable
        See :class:`wsiseg.viewer.layers.levels.SlideLevel`.
    """
    return [
        (
            as_data(plane_levels(arrays, view.image.path, index, damaged)),
            {
                "name": plain(f"probability of {entry.name}"),
                "metadata": {KEY: CompanionView(view)},
                "contrast_limits": (0, 255),
                "blending": "translucent",
                "colormap": Colormap(
                    [(*unit_rgba(entry)[:3], 0.0), unit_rgba(entry)], name=f"to {entry.name}"
                ),
                "cache": False,
                **view.placing(),
            },
            "image",
        )
        for index, entry in sorted(view.classes.items())
    ]


def uncertainty_layer(
    arrays: list[Any], view: MaskView, damaged: DamageListener, *, visible: bool
) -> LayerData:
    """Return how uncertain a mask is, from clear where it is certain to yellow where it is not.

    Parameters
    ----------
    arrays : list of zarr.Array
        uint8 ``(H, W)``, the finest first; 255 is 1.
    view : MaskView
        The mask that they belong to.
    damaged : callable
        See :class:`wsiseg.viewer.layers.levels.SlideLevel`.
    visible : bool
        Whether it is shown from the start.
    """
    settings = {
        "name": "uncertainty",
        "metadata": {KEY: CompanionView(view)},
        "visible": visible,
        "contrast_limits": (0, 255),
        "blending": "translucent",
        "colormap": Colormap(_DOUBT, name="uncertainty"),
        "cache": False,
        **view.placing(),
    }
    return as_data(plane_levels(arrays, view.image.path, None, damaged)), settings, "image"


def throughput_layer(tiles: RunTiles, frame: Frame) -> LayerData:
    """Return what each tile cost as a heat map, in ms.

    Parameters
    ----------
    tiles : RunTiles
        The tiles of a run.
    frame : Frame
        Where their slide lies.
    """
    heat, factor = tiles.heat_map()
    settings = {
        "name": "ms per tile",
        "colormap": "inferno",
        "opacity": 0.7,
        "blending": "translucent",
        "interpolation2d": "nearest",
        **frame.placing(tiles.slide_scale * factor),
    }
    return heat, settings, "image"


def tissue_layer(view: SlideView) -> LayerData:
    """Return the outline of the tissue, as ``segment`` finds it."""
    plane = plane_at_level(view.slide, 0)
    found = find_tissue(view.slide, plane).mask
    coarseness = np.array([plane.height, plane.width]) / found.shape
    # One pixel of frame closes the outlines of tissue that the slide's edge cuts.
    contours = find_contours(np.pad(found, 1).astype(np.float32), 0.5)  # type: ignore[no-untyped-call]
    outlines = [approximate_polygon(c, 0.75) - 0.5 for c in contours]  # type: ignore[no-untyped-call]
    settings = {
        "name": "tissue",
        "shape_type": "polygon",
        "face_color": "transparent",
        "edge_color": _OUTLINE,
        "opacity": 1.0,
        "metadata": {KEY: TISSUE},
        "edge_width": float(2 * coarseness.max() * view.frame.pixel),
        "units": (view.frame.unit,) * 2,
    }
    return [view.frame.to_world(o * coarseness) for o in outlines if len(o) > 3], settings, "shapes"


def analysed_layer(view: MaskView) -> LayerData:
    """Return the border of what a mask has labels for; nothing covers what lies outside.

    Parameters
    ----------
    view : MaskView
        The mask, in the frame of its slide.

    Raises
    ------
    AnnotationError
        If the mask cannot be read.
    """
    seen = view.image.overview
    known = seen[:, :] != NO_LABEL
    reduced = np.array(view.image.values.shape) / known.shape
    # One pixel of frame closes outlines that the mask's edge cuts.
    contours = find_contours(np.pad(known, 1).astype(np.float32), 0.5)  # type: ignore[no-untyped-call]
    outlines = [approximate_polygon(c, 0.75) - 0.5 for c in contours]  # type: ignore[no-untyped-call]
    corners = [o * reduced * view.pixel + view.corner for o in outlines if len(o) > 3]
    settings = {
        "name": "border of what was analysed",
        "shape_type": "polygon",
        "face_color": "transparent",
        "edge_color": BORDER,
        "opacity": 1.0,
        "metadata": {KEY: CompanionView(view)},
        "edge_width": float(max(view.image.values.shape) * view.pixel * view.frame.pixel / _THIN),
        "units": (view.frame.unit,) * 2,
    }
    return [view.frame.to_world(each) for each in corners], settings, "shapes"


def associated_layers(view: SlideView) -> list[LayerData]:
    """Return label, macro and thumbnail, each beside the slide, from its right edge on."""
    level = view.slide.levels[0]
    layers: list[LayerData] = []
    for name in view.slide.facts.associated:
        pixels = view.slide.read_associated(name)
        enlarged = level.height / len(view.slide.facts.associated) / pixels.shape[0]
        y = len(layers) * level.height / len(view.slide.facts.associated)
        settings = {
            "name": plain(f"{view.slide.name}: {name}"),
            "rgb": True,
            **view.frame.placing(enlarged * 0.95, y, level.width * 1.05),
        }
        layers.append((pixels, settings, "image"))
    return layers


def as_data(levels: list[da.Array]) -> list[da.Array] | da.Array:
    """Return levels, or the only one by itself: napari takes no pyramid of one level."""
    return levels if len(levels) > 1 else levels[0]


def unit_rgba(entry: LabelClass) -> tuple[float, float, float, float]:
    """Return the colour of a class as napari takes it: red, green, blue, opacity, 0 to 1."""
    red, green, blue = (value / 255 for value in entry.colour)
    return red, green, blue, 1.0


def _stem(path: Path) -> str:
    """Return the name of the slide that a mask belongs to."""
    store = next((p for p in (path, *path.parents) if p.suffix == ".zarr"), path)
    return f"{store.name.removesuffix('.zarr').removesuffix('.ome')} mask"

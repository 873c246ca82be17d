"""Which labels of a window are measured, and where they lie."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shapely.geometry.base import BaseGeometry

from wsiseg.errors import ArgumentError
from wsiseg.exports.areas import ClassArea, Told, Values, measure_areas
from wsiseg.models.class_sets import LabelClass
from wsiseg.store.disk import translated
from wsiseg.viewer.frame import Frame
from wsiseg.viewer.layers import KEY, MaskView, mask_frame
from wsiseg.viewer.region import RegionView
from wsiseg.viewer.scene import by_preference

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


@dataclass(frozen=True)
class Measurable:
    """Labels that can be measured.

    Attributes
    ----------
    name : str
        Of their layer.
    labels : array-like
        ``(H, W)``, read when it is cut.
    classes : mapping of int to LabelClass
        What they mean.
    frame : Frame
        Where their slide lies.
    pixel : float
        Pixels of the slide's level 0 along one of theirs.
    corner : tuple of float
        ``(y, x)`` of their corner in pixels of level 0.
    """

    name: str
    labels: Values
    classes: Mapping[int, LabelClass]
    frame: Frame
    pixel: float
    corner: tuple[float, float]

    def measure(self, region: BaseGeometry | None, advanced: Told) -> list[ClassArea]:
        """Return the areas of the classes; see :func:`wsiseg.exports.areas.measure_areas`."""
        mpp = None if self.frame.mpp is None else self.frame.mpp * self.pixel
        return measure_areas(
            self.labels,
            self.classes,
            pixel=self.pixel,
            corner=self.corner,
            mpp=mpp,
            region=region,
            advanced=advanced,
        )


def find_measurable(viewer: ViewerModel) -> Measurable:
    """Return the labels that are selected, or else the topmost.

    Raises
    ------
    ArgumentError
        If there are none.
    """
    for layer in by_preference(viewer):
        found = _measurable(layer)
        if found is not None:
            return found
    raise ArgumentError("there is no mask in the window", None, "Open or make one first.")


def _measurable(layer: Layer) -> Measurable | None:
    view = layer.metadata.get(KEY)
    if isinstance(view, MaskView):
        own = mask_frame(view.image)
        pixel = view.image.scale / own.pixel
        y, x = (shift / own.pixel - (pixel - 1) / 2 for shift in view.image.shift)
        return Measurable(
            layer.name, view.image.values, view.image.classes, view.frame, pixel, (y, x)
        )
    if isinstance(view, RegionView):
        pixel = view.plane.slide_scale
        corner = (view.box.y * pixel, view.box.x * pixel)
        return Measurable(layer.name, layer.data, view.classes, view.slide.frame, pixel, corner)
    return None


def save_areas(rows: Sequence[ClassArea], path: Path) -> None:
    """Write areas as CSV.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with translated(path), path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "class", "pixels", "mm2", "share"])
        writer.writerows([r.value, r.name, r.pixels, r.mm2, r.share] for r in rows)

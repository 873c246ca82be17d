"""Measuring areas: which labels of a window are measured, and the file of areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shapely.geometry.base import BaseGeometry

from wsiseg.annotations.raster import PixelArray
from wsiseg.csv_tables import to_csv
from wsiseg.errors import ArgumentError
from wsiseg.exports.areas import ClassArea, ProgressCallback, measure_areas
from wsiseg.store.disk import write_atomically
from wsiseg.viewer.layers.layer_data import KEY, MaskView
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.scene import by_preference

if TYPE_CHECKING:
    from napari.components import ViewerModel


@dataclass(frozen=True)
class Measurable:
    """Labels that can be measured.

    Attributes
    ----------
    name : str
        Of their layer.
    labels : array-like
        ``(H, W)``, read when it is cut.
    view : MaskView or RegionView
        Where they lie and what they mean.
    """

    name: str
    labels: PixelArray
    view: MaskView | RegionView

    def measure(self, region: BaseGeometry | None, advanced: ProgressCallback) -> list[ClassArea]:
        """Return the areas of the classes; see :func:`wsiseg.exports.areas.measure_areas`."""
        mpp = self.view.frame.mpp
        return measure_areas(
            self.labels,
            self.view.classes,
            pixel=self.view.pixel,
            corner=self.view.corner,
            mpp=None if mpp is None else mpp * self.view.pixel,
            region=region,
            progress=advanced,
        )


def find_measurable(viewer: ViewerModel) -> Measurable:
    """Return the labels that are selected, or else the topmost.

    Raises
    ------
    ArgumentError
        If there are none.
    """
    for layer in by_preference(viewer):
        view = layer.metadata.get(KEY)
        if isinstance(view, MaskView):
            return Measurable(layer.name, view.image.values, view)
        if isinstance(view, RegionView):
            return Measurable(layer.name, layer.data, view)
    raise ArgumentError("there is no mask in the window", None, "Open or make one first.")


def save_areas(rows: Sequence[ClassArea], path: Path) -> None:
    """Write areas as CSV.

    Parameters
    ----------
    rows : sequence of ClassArea
        A row per class.
    path : Path
        The file to write.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    columns = ("label", "class", "pixels", "mm2", "share")
    write_atomically(
        path, to_csv(columns, ([r.value, r.name, r.pixels, r.mm2, r.share] for r in rows))
    )

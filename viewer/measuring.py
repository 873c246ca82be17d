"""Measuring areas: which labels of a window are measured, shares of tissue, the file of areas."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shapely.geometry.base import BaseGeometry

from wsiseg.annotations.raster import PixelArray
from wsiseg.csv_tables import to_csv
from wsiseg.errors import ArgumentError, OutputError
from wsiseg.exports.areas import ClassArea, ProgressCallback, measure_areas
from wsiseg.segmentation.provenance import read_run
from wsiseg.store.disk import write_atomically
from wsiseg.store.metadata import NOT_ANALYSED
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.layers.layer_data import KEY, MaskView
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.scene import by_preference

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

GLASS = ("glass", "background")
"""Names of classes that are no tissue, unless the user says so."""


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
        if (found := measurable(layer)) is not None:
            return found
    raise ArgumentError("there is no mask in the window", None, "Open or make one first.")


def measurable(layer: Layer) -> Measurable | None:
    """Return what of a layer can be measured; None if it shows no labels of this package."""
    view = layer.metadata.get(KEY)
    if isinstance(view, MaskView):
        return Measurable(layer.name, view.image.values, view)
    if isinstance(view, RegionView):
        return Measurable(layer.name, layer.data, view)
    return None


def known_areas(view: MaskView | RegionView) -> list[ClassArea] | None:
    """Return the areas that the run of a mask has counted, without reading the mask.

    Parameters
    ----------
    view : MaskView or RegionView
        What they are asked of.

    Returns
    -------
    list of ClassArea or None
        As :func:`wsiseg.exports.areas.measure_areas` gives them; None if no run counted them, or
        the mask was changed afterwards.
    """
    if not isinstance(view, MaskView) or "refined" in view.image.notes:
        return None
    store = store_of(view)
    run = store.parent / str(view.image.notes.get("run", ""))
    if not run.is_file():
        return None
    try:
        counted = read_run(run)["summary"]["classes"]
        pixels = {int(entry["index"]): int(entry["pixels"]) for entry in counted}
    except (OutputError, LookupError, TypeError, ValueError):
        # A run file that is damaged knows less than the mask itself.
        return None
    height, width = view.image.values.shape
    unseen = height * width - sum(pixels.values())
    if pixels.keys() != view.classes.keys() or unseen < 0:
        return None
    mpp = view.frame.mpp
    size = None if mpp is None else (mpp * view.pixel) ** 2 / 1e6
    rows = [
        _area(value, entry.name, pixels[value], size, height * width - unseen)
        for value, entry in sorted(view.classes.items())
    ]
    return [*rows, _area(NO_LABEL, NOT_ANALYSED, unseen, size, 0)] if unseen else rows


def _area(value: int, name: str, pixels: int, size: float | None, whole: int) -> ClassArea:
    covered = None if size is None else pixels * size
    return ClassArea(value, name, pixels, covered, pixels / whole if whole else None)


def store_of(view: MaskView) -> Path:
    """Return the store that users open, which may hold the slide's image, too."""
    path = view.image.path
    return next((each for each in (path, *path.parents) if each.suffix == ".zarr"), path)


def is_glass(row: ClassArea) -> bool:
    """Tell whether a row is of a class that is no tissue, by its name, or of none."""
    return row.value == NO_LABEL or row.name.casefold() in GLASS


def shares_of_tissue(rows: Sequence[ClassArea], glass: Collection[int]) -> dict[int, float]:
    """Return how much of the tissue each class covers, 0 to 1.

    Parameters
    ----------
    rows : sequence of ClassArea
        A row per class.
    glass : collection of int
        Labels of the classes that are no tissue; they have no share.

    Examples
    --------
    >>> rows = [ClassArea(0, "glass", 60, None, 0.6), ClassArea(1, "gland", 40, None, 0.4)]
    >>> shares_of_tissue(rows, {0})
    {1: 1.0}
    """
    tissue = [row for row in rows if row.value not in glass and row.share is not None]
    whole = sum(row.pixels for row in tissue)
    return {row.value: row.pixels / whole for row in tissue} if whole else {}


def ratio(rows: Sequence[ClassArea], above: int, below: int) -> float | None:
    """Return the area of one class divided by another's; None where the other covers nothing.

    Parameters
    ----------
    rows : sequence of ClassArea
        A row per class.
    above, below : int
        Labels of the two classes.
    """
    pixels = {row.value: row.pixels for row in rows}
    return pixels[above] / pixels[below] if pixels.get(below) and above in pixels else None


def describe_area(row: ClassArea) -> str:
    """Return the area of a class as people read it, in mm² where the resolution is known."""
    return f"{row.pixels} px" if row.mm2 is None else f"{row.mm2:.4g}"


def describe_share(row: ClassArea) -> str:
    """Return the share of a class in what was analysed."""
    return "" if row.share is None else f"{row.share:.1%}"


def save_areas(
    rows: Sequence[ClassArea], path: Path, of_tissue: Mapping[int, float] | None = None
) -> None:
    """Write areas as CSV.

    Parameters
    ----------
    rows : sequence of ClassArea
        A row per class.
    path : Path
        The file to write.
    of_tissue : mapping of int to float, optional
        Shares of tissue by label, as :func:`shares_of_tissue` gives them.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    columns = ("label", "class", "pixels", "mm2", "share", "share_of_tissue")
    tissue = of_tissue or {}
    cells = ([r.value, r.name, r.pixels, r.mm2, r.share, tissue.get(r.value)] for r in rows)
    write_atomically(path, to_csv(columns, cells))

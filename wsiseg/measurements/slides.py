"""Measures one mask: one walk over its rows, and the tables that come of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.placing import CoordinateTransform
from wsiseg.errors import ArgumentError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.mask import Mask
from wsiseg.measurements.components import ComponentMeasurer, Components
from wsiseg.measurements.density import DensityGrid
from wsiseg.measurements.options import MeasureOptions
from wsiseg.measurements.regions import RegionCounter, find_regions
from wsiseg.measurements.results import ClassMeasure, SlideMeasure
from wsiseg.measurements.tables import Table, text_column
from wsiseg.store.label_images import is_store
from wsiseg.tiling.bands import NO_LABEL

_Whole = npt.NDArray[np.int64]
_Real = npt.NDArray[np.float64]


class MaskMeasurer:
    """Measures one mask.

    Parameters
    ----------
    mask : Mask
        Open.
    options : MeasureOptions
        What is asked for.

    Raises
    ------
    AnnotationError
        If regions or probabilities beside the mask cannot be used.
    ArgumentError
        If the mask lacks a class, or does not tell the resolution that is needed.
    """

    def __init__(self, mask: Mask, options: MeasureOptions) -> None:
        self._mask = mask
        self._options = options
        self._labels = list(mask.labels_of(options.classes))
        self._known = list(mask.labels_of(None))
        self._pixels = np.zeros(NO_LABEL + 1, np.int64)
        self._components = np.zeros(NO_LABEL + 1, np.int64)
        self._found: list[Components] = []
        self._region_of: list[npt.NDArray[np.object_]] = []
        self._regions: RegionCounter | None = None
        self._grid: DensityGrid | None = None
        if options.every is not None:
            if mask.mpp is None:
                raise ArgumentError("the mask does not tell its µm per pixel", "`every`")
            self._grid = DensityGrid(mask.shape, options.every / mask.mpp, self._known)
        if options.regions is not None:
            self._regions = RegionCounter(find_regions(options.regions, mask), mask)

    def measure(self, progress: ProgressCallback) -> None:
        """Walk over the mask once.

        Parameters
        ----------
        progress : callable
            Called with the share that is done, 0 to 1; may raise to cancel.

        Raises
        ------
        AnnotationError
            If the mask, or the probabilities beside it, cannot be read.
        """
        mask = self._mask
        measurer = ComponentMeasurer(mask.shape[1], shapes=self._options.components)
        likely = self._options.components and is_store(mask.probabilities_path)
        chosen = np.full(NO_LABEL + 1, NO_LABEL, np.uint8)
        chosen[self._labels] = self._labels
        for top, rows in mask.strips(self._known, progress):
            self._pixels += np.bincount(rows.ravel(), minlength=NO_LABEL + 1)
            for counter in (self._regions, self._grid):
                if counter is not None:
                    counter.count_pixels(top, rows)
            seen = rows if self._labels == self._known else chosen[rows]
            self._keep(measurer.add(seen, mask.probabilities(top, seen) if likely else None))
        self._keep(measurer.finish())

    def _keep(self, found: Components) -> None:
        """Count components, and keep them if a table of them is asked for."""
        np.add.at(self._components, found.labels, 1)
        places = found.centroids + 0.5
        if self._grid is not None:
            self._grid.count_components(found.labels, places)
        if self._regions is not None:
            names = self._regions.count_components(found.labels, places)
            self._region_of.append(np.array(names, object))
        if self._options.components:
            self._found.append(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out or assumed."""
        return (*self._mask.warnings(), *(self._regions.notes if self._regions else ()))

    def summary(self) -> SlideMeasure:
        """Return what the classes cover."""
        analysed = int(self._pixels[self._known].sum())
        return SlideMeasure(
            self._mask.slide,
            self._mask.store,
            None if self._pixel is None else analysed * self._pixel,
            tuple(
                ClassMeasure(
                    self._mask.classes[label].name,
                    int(self._pixels[label]),
                    None if self._pixel is None else int(self._pixels[label]) * self._pixel,
                    int(self._pixels[label]) / analysed if analysed else None,
                    int(self._components[label]),
                )
                for label in self._labels
            ),
        )

    def tables(self) -> dict[str, Table]:
        """Return the tables that are asked for, and that of the classes."""
        tables = {"classes": self._areas({}, self._pixels[None], self._components[None])}
        if self._regions is not None:
            names = np.array(self._regions.names, object)
            tables["regions"] = self._areas(
                {"region": names}, self._regions.pixels, self._regions.components
            )
        if self._options.components:
            tables["components"] = self._component_table()
        if self._grid is not None:
            tables["density"] = self._density(self._grid)
        return tables

    @property
    def _pixel(self) -> float | None:
        """The area of a pixel in mm²."""
        return None if self._mask.mpp is None else self._mask.mpp**2 / 1e6

    @property
    def _origin(self) -> CoordinateTransform:
        """Where pixels of the slide count from."""
        mask = self._mask
        return mask.level_0 if self._options.coordinates == "level0" else mask.qupath

    def _on_slide(self, places: npt.NDArray[Any], axis: int) -> _Real:
        """Return where places in pixels of the mask, from its corner, lie on the slide."""
        origin, mask = self._origin, self._mask
        at_level_0 = places * mask.side + mask.corner[axis]
        return np.asarray(at_level_0 / origin.stretch[axis] - origin.corner[axis], np.float64)

    def _named(self, length: int) -> dict[str, npt.NDArray[Any]]:
        return {
            "slide": text_column(self._mask.slide, length),
            "mask": text_column(str(self._mask.store), length),
        }

    def _classes(self, labels: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        names = np.full(NO_LABEL + 1, "", object)
        for label in self._labels:
            names[label] = self._mask.classes[label].name
        return {"class": names[labels], "label": labels.astype(np.int64)}

    def _areas(
        self, places: dict[str, npt.NDArray[Any]], pixels: _Whole, components: _Whole
    ) -> Table:
        """Return a table of places times classes.

        Parameters
        ----------
        places : dict
            Columns that tell places apart.
        pixels, components : ndarray
            int64 ``(places, 256)``, by label.
        """
        count, classes = len(pixels), len(self._labels)
        covered = pixels[:, self._labels].ravel()
        objects = components[:, self._labels].ravel()
        analysed = np.repeat(pixels[:, self._known].sum(axis=1), classes)
        unseen = np.repeat(pixels[:, NO_LABEL], classes)
        size = np.nan if self._pixel is None else self._pixel
        nothing = np.where(analysed > 0, analysed, np.nan)
        return {
            **self._named(count * classes),
            **{name: np.repeat(column, classes) for name, column in places.items()},
            **self._classes(np.tile(self._labels, count)),
            "pixels": covered,
            "mm2": covered * size,
            "share": covered / nothing,
            "components": objects,
            "components_per_mm2": objects / (nothing * size),
            "analysed_mm2": analysed * size,
            "not_analysed_mm2": unseen * size,
        }

    def _component_table(self) -> Table:
        """Return all components in the order of their first pixels, numbered from 1."""
        order = np.argsort(np.concatenate([each.firsts for each in self._found]), kind="stable")
        found = Components.concatenate(self._found)
        self._found.clear()
        region = {}
        if self._regions is not None:
            region = {"region": np.concatenate(self._region_of)[order]}
        mpp = np.nan if self._mask.mpp is None else self._mask.mpp
        top, left, bottom, right = found.boxes.T
        y, x = self._on_slide(top, 0), self._on_slide(left, 1)
        return {
            **self._named(len(found)),
            "component": np.arange(1, len(found) + 1),
            **self._classes(found.labels),
            **region,
            "centroid_x": self._on_slide(found.centroids[:, 1] + 0.5, 1),
            "centroid_y": self._on_slide(found.centroids[:, 0] + 0.5, 0),
            "pixels": found.pixels,
            "area_um2": found.pixels * mpp**2,
            "perimeter_px": found.perimeters,
            "perimeter_um": found.perimeters * mpp,
            "solidity": found.solidities,
            "mean_probability": found.means / 255,
            "box_x": x,
            "box_y": y,
            "box_width": self._on_slide(right, 1) - x,
            "box_height": self._on_slide(bottom, 0) - y,
        }

    def _density(self, grid: DensityGrid) -> Table:
        """Return the cells of which something was analysed, row by row."""
        seen = grid.pixels.sum(axis=2) > 0
        row, column = np.nonzero(seen)
        by_label = np.zeros((2, len(row), NO_LABEL + 1), np.int64)
        by_label[:, :, self._known] = grid.pixels[seen], grid.components[seen]
        (y, bottom), (x, right) = (
            (self._on_slide(edges[cell], axis), self._on_slide(edges[cell + 1], axis))
            for edges, cell, axis in ((grid.rows, row, 0), (grid.columns, column, 1))
        )
        pixels, components = by_label
        whole = np.diff(grid.rows)[row] * np.diff(grid.columns)[column]
        pixels[:, NO_LABEL] = whole - pixels.sum(axis=1)
        place = {"row": row, "column": column, "x": x, "y": y}
        return self._areas(place | {"width": right - x, "height": bottom - y}, pixels, components)

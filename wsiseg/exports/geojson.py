"""GeoJSON for QuPath: every connected area of a class as a polygon with its holes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field

from wsiseg.annotations.placing import CoordinateTransform
from wsiseg.annotations.rings import Rings
from wsiseg.annotations.tracing import AreaTracer, TracedAreas
from wsiseg.annotations.writing import FeatureFile, class_property, write_features
from wsiseg.errors import ArgumentError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.format import ExportFormat, ExportOptions, Written, split_names
from wsiseg.exports.mask import Mask
from wsiseg.exports.simplifying import simplify_areas
from wsiseg.quantities import Area, Length
from wsiseg.settings import Option

_PANEL = "GeoJSON"

_AT_ONCE = 2**16
"""Corners that are turned into text at a time."""

_DECIMALS = 4

Measurement = Literal["area", "probability"]


def _measurements(given: object) -> object:
    names = split_names(given)
    return () if names == ("none",) else names


class GeoJsonOptions(ExportOptions):
    """Settings of GeoJSON."""

    objects: Annotated[
        Literal["annotation", "detection"],
        Field(description="What the objects become in QuPath; it draws detections faster."),
        Option(_PANEL),
    ] = "annotation"
    simplify: Annotated[
        Length | None,
        Field(
            description="Drop corners of outlines that move them by no more than this, for "
            "example 1um."
        ),
        Option(_PANEL, metavar="LENGTH"),
    ] = None
    min_area: Annotated[
        Area | None,
        Field(description="Leave out objects smaller than this, for example 20um2."),
        Option(_PANEL, metavar="AREA"),
    ] = None
    measurements: Annotated[
        tuple[Measurement, ...],
        BeforeValidator(_measurements),
        Field(description="Measurements of each object: area, and probability if the run kept it."),
        Option(_PANEL, metavar="area,probability|none", default="area"),
    ] = ("area",)
    coordinates: Annotated[
        Literal["bounds", "level0"],
        Field(
            description="Where pixels count from: the scanned part of the slide, as in QuPath, or "
            "the corner of level 0."
        ),
        Option(_PANEL),
    ] = "bounds"


def _write(
    mask: Mask, output: Path, options: GeoJsonOptions, progress: ProgressCallback
) -> Written:
    labels = mask.labels_of(options.classes)
    tolerance = 0.0 if options.simplify is None else options.simplify / _mpp(mask, "simplify")
    smallest = 0 if options.min_area is None else options.min_area / _mpp(mask, "min_area") ** 2
    tracer = AreaTracer(mask.shape[1], junctions=tolerance > 0)
    probability = "probability" in options.measurements

    def traced() -> Iterator[TracedAreas]:
        for top, rows in mask.strips(labels, progress):
            yield tracer.add(rows, mask.probabilities(top, rows) if probability else None)
        yield tracer.finish()

    origin = mask.qupath if options.coordinates == "bounds" else mask.level_0
    with write_features(output) as file:
        writer = _FeatureWriter(file, mask, origin, options, tolerance)
        for areas in traced():
            writer.write(areas.take(areas.pixels >= smallest) if smallest else areas)
    return Written(file.features, mask.warnings())


def _mpp(mask: Mask, wanted: str) -> float:
    if mask.mpp is None:
        raise ArgumentError("the mask does not tell its µm per pixel", f"`{wanted}`")
    return mask.mpp


class _FeatureWriter:
    """Writes areas as features of a file.

    Parameters
    ----------
    file : FeatureFile
        The file.
    mask : Mask
        Whose areas they are.
    origin : CoordinateTransform
        Where the file's coordinates count from.
    options : GeoJsonOptions
        The settings.
    tolerance : float
        Pixels of the mask by which outlines are simplified.
    """

    def __init__(
        self,
        file: FeatureFile,
        mask: Mask,
        origin: CoordinateTransform,
        options: GeoJsonOptions,
        tolerance: float,
    ) -> None:
        self._file = file
        self._mask = mask
        self._options = options
        self._tolerance = tolerance
        # There are few columns and rows, and very many corners.
        columns, rows = _places(mask, origin, 1), _places(mask, origin, 0)
        self._columns, self._rows = np.array(columns, float), np.array(rows, float)
        self._x = np.array([f"[{place}," for place in columns], object)
        self._y = np.array([f"{place}]" for place in rows], object)

    def write(self, areas: TracedAreas) -> None:
        """Write areas, from top to bottom."""
        if not len(areas):
            return
        drawn = areas
        if self._tolerance:
            drawn = simplify_areas(areas, self._tolerance, self._columns, self._rows)
        rings = self._texts(drawn.rings)
        firsts = areas.rings.first_pixels(self._mask.shape[1] + 1)[areas.starts[:-1]]
        counts = np.diff(areas.starts)
        columns = (areas.labels, areas.pixels, areas.totals, firsts, counts)
        for label, pixels, total, first, count in zip(*(c.tolist() for c in columns), strict=True):
            # One class has no two areas that begin at the same pixel.
            key = f"{self._mask.slide} {label} {first}"
            self._file.write(key, _polygon(rings, count), self._properties(label, pixels, total))

    def _texts(self, rings: Rings) -> Iterator[str]:
        """Yield each ring as text, the first corner once more at its end."""
        first = 0
        while first < len(rings):
            reach = np.searchsorted(rings.starts, rings.starts[first] + _AT_ONCE, side="right")
            last = max(first + 1, int(reach) - 1)
            starts = rings.starts[first : last + 1]
            corners = rings.corners[starts[0] : starts[-1]]
            words = (self._x[corners[:, 0]] + self._y[corners[:, 1]]).tolist()
            for start, end in pairwise((starts - starts[0]).tolist()):
                yield f"[{','.join(words[start:end])},{words[start]}]"
            first = last

    def _properties(self, label: int, pixels: int, total: float) -> dict[str, object]:
        entry, mpp = self._mask.classes[label], self._mask.mpp
        properties: dict[str, object] = {
            "objectType": self._options.objects,
            "classification": class_property(entry.name, entry.colour),
        }
        measured: dict[str, float] = {}
        if "area" in self._options.measurements:
            # As QuPath names its own.
            name, pixel = ("Area px^2", 1.0) if mpp is None else ("Area µm^2", mpp**2)
            measured[name] = round(pixels * pixel, 4)
        if "probability" in self._options.measurements:
            measured["Mean probability"] = round(total / pixels / 255, 4)
        if measured:
            properties["measurements"] = measured
        return properties


def _polygon(rings: Iterator[str], count: int) -> Iterator[str]:
    yield f'{{"type": "Polygon", "coordinates": [{next(rings)}'
    for _ in range(count - 1):
        yield f",{next(rings)}"
    yield "]}"


def _places(mask: Mask, origin: CoordinateTransform, axis: int) -> list[str]:
    """Return where the pixels of a row or column begin in the file, and the end, as text."""
    edges: npt.NDArray[Any] = np.arange(mask.shape[axis] + 1) * mask.side + mask.corner[axis]
    places = np.round(edges / origin.stretch[axis] - origin.corner[axis], _DECIMALS) + 0.0
    return [f"{place:.{_DECIMALS}f}".rstrip("0").rstrip(".") for place in places.tolist()]


GEOJSON = ExportFormat(
    "polygons for QuPath", (".geojson", ".geojson.gz", ".json"), GeoJsonOptions, _write
)

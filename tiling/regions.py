"""Polygons that a user drew: where to look, to the pixel."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
import numpy.typing as npt
import shapely
from defusedxml import DefusedXmlException, ElementTree
from shapely.geometry import MultiPolygon, Polygon, shape
from shapely.geometry.base import BaseGeometry

from wsiseg.errors import RegionError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane

Mask = npt.NDArray[np.bool_]

_AREA_KINDS = {"polygon", "rectangle", "spline"}


class Regions:
    """The union of some polygons, laid over a working plane.

    Parameters
    ----------
    geometry : shapely geometry
        Polygons in pixels of level 0, corners at whole numbers, as QuPath writes them.
    plane : WorkingPlane
        What they are laid over.
    """

    def __init__(self, geometry: BaseGeometry, plane: WorkingPlane) -> None:
        scale = 1 / plane.slide_scale
        self._geometry = shapely.transform(geometry, lambda points: points * scale)
        rings = [
            np.asarray(ring.coords)[:, :2]
            for part in _polygons(self._geometry)
            for ring in (part.exterior, *part.interiors)
        ]
        self._edges = np.concatenate([np.hstack([ring[:-1], ring[1:]]) for ring in rings])
        shapely.prepare(self._geometry)

    def touches(self, box: Box) -> bool:
        """Tell whether any of it lies in a box of working pixels; a common border is none."""
        frame = shapely.box(box.x, box.y, box.right, box.bottom)
        return bool(
            self._geometry.intersects(frame) and self._geometry.intersection(frame).area > 0
        )

    def rasterise(self, box: Box) -> Mask:
        """Return which pixels of a box have their centre inside.

        Parameters
        ----------
        box : Box
            In working pixels.

        Returns
        -------
        ndarray
            bool ``(box.height, box.width)``.
        """
        # Every crossing of a row of pixel centres by an edge turns inside to outside or back.
        turns = np.zeros((box.height, box.width + 1), np.uint8)
        start, end = self._edges[:, :2], self._edges[:, 2:]
        upper, lower = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
        first = np.clip(np.ceil(upper - 0.5).astype(np.int64), box.y, box.bottom)
        last = np.clip(np.ceil(lower - 0.5).astype(np.int64), box.y, box.bottom)
        counts = last - first
        edge = np.repeat(np.arange(len(counts)), counts)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
        (x0, y0), (x1, y1) = start[edge].T, end[edge].T
        crossing = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        column = np.clip(np.ceil(crossing - 0.5).astype(np.int64) - box.x, 0, box.width)
        np.add.at(turns, (row - box.y, column), 1)
        return (np.cumsum(turns[:, :-1], axis=1, dtype=np.uint8) & 1).astype(bool)


def read_regions(path: Path, plane: WorkingPlane) -> Regions:
    """Read polygons from GeoJSON (also gzipped), ASAP XML or ImageScope XML.

    Raises
    ------
    RegionError
        If the file cannot be read, holds no area, or all of it lies outside the slide.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        data = data.removeprefix(b"\xef\xbb\xbf")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise RegionError(f"the regions cannot be read: {reason}", path, "Check --roi.") from error
    try:
        found = _read_xml(data) if data.lstrip()[:1] == b"<" else _read_geojson(data)
        polygons = [p for geometry in found for p in _polygons(shapely.make_valid(geometry))]
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ParseError,
        RecursionError,
        DefusedXmlException,
        shapely.errors.ShapelyError,
    ) as error:
        raise RegionError(f"this is neither GeoJSON nor XML of regions: {error}", path) from error
    if not polygons:
        raise RegionError("the file holds no polygon", path)
    regions = Regions(shapely.union_all(polygons), plane)
    if not regions.touches(plane.box):
        raise RegionError(
            "all regions lie outside the slide", path, "They have to be in pixels of level 0."
        )
    return regions


def _read_geojson(data: bytes) -> Iterator[BaseGeometry]:
    content = json.loads(data)
    items = content if isinstance(content, list) else content.get("features", [content])
    for item in items:
        yield shape(item.get("geometry", item))


def _read_xml(data: bytes) -> Iterator[BaseGeometry]:
    root = ElementTree.fromstring(data)
    for annotation in root.iter("Annotation"):
        if annotation.get("Type", "").lower() in _AREA_KINDS:
            yield _ring(annotation.iter("Coordinate"))
        for region in annotation.iter("Region"):
            # ImageScope marks rulers, arrows and excluded areas by type and a negative flag.
            if region.get("NegativeROA", "0") == "0":
                yield _ring(region.iter("Vertex"))


def _ring(points: Iterator[Element]) -> BaseGeometry:
    corners = [(float(point.attrib["X"]), float(point.attrib["Y"])) for point in points]
    return Polygon(corners) if len(corners) >= 3 else Polygon()


def _polygons(geometry: BaseGeometry) -> Iterator[Polygon]:
    if isinstance(geometry, Polygon):
        if not geometry.is_empty:
            yield geometry
    elif isinstance(geometry, MultiPolygon) or hasattr(geometry, "geoms"):
        for part in geometry.geoms:
            yield from _polygons(part)

"""Reads GeoJSON of any program (RFC 7946, in pixels instead of degrees)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from wsiseg.annotations.program import Drawing, Program, Ring, Rings

_AREALESS = {
    "Point": "point",
    "MultiPoint": "point",
    "LineString": "line",
    "MultiLineString": "line",
}
_KINDS = {"Feature", "FeatureCollection", "Polygon", "MultiPolygon", "GeometryCollection"}


def outermost_features(content: Any) -> list[Any]:
    """Return the features of a document: a collection, a list, or a single feature.

    A list may contain collections, too.
    """
    if isinstance(content, list):
        return [
            feature
            for part in content
            for feature in (outermost_features(part) if _is_collection(part) else [part])
        ]
    if not _is_collection(content):
        return [content]
    features = content["features"]
    if not isinstance(features, list):
        raise ValueError("its features are not a list")
    return features


def _is_collection(content: Any) -> bool:
    return isinstance(content, dict) and "features" in content


def read_feature(feature: Any) -> Drawing:
    """Return the shape of a feature or a bare geometry, without a class.

    Raises
    ------
    ValueError, TypeError
        If it is neither.
    """
    if not isinstance(feature, dict):
        raise ValueError("a feature is not an object")
    geometry = feature.get("geometry", feature if feature.get("type") != "Feature" else None)
    if geometry is None:
        return Drawing(None, without_area=("feature without geometry",))
    polygons, others = _parts(geometry)
    rings = [ring for polygon in polygons for ring in polygon]
    return Drawing(
        None,
        polygons=tuple(polygons),
        without_area=tuple(others),
        unclosed=any(len(ring) and (ring[0] != ring[-1]).any() for ring in rings),
        title=_title(feature.get("properties")),
    )


def _title(properties: Any) -> str | None:
    name = properties.get("name") if isinstance(properties, dict) else None
    return (name.strip() or None) if isinstance(name, str) else None


def _parts(geometry: Any) -> tuple[list[Rings], list[str]]:
    """Return the polygons of a geometry, and what else is in it."""
    if not isinstance(geometry, dict):
        raise ValueError("a geometry is not an object")
    kind = geometry.get("type")
    if not isinstance(kind, str) or kind not in _KINDS | _AREALESS.keys():
        raise ValueError(f"{kind!r} is not a kind of geometry")
    if kind in _AREALESS:
        return [], [_AREALESS[kind]]
    if kind == "GeometryCollection":
        polygons: list[Rings] = []
        others: list[str] = []
        for part in geometry["geometries"]:
            more_polygons, more_others = _parts(part)
            polygons += more_polygons
            others += more_others
        return polygons, others
    if "coordinates" not in geometry:
        raise ValueError(f"a {kind} has no coordinates")
    coordinates = geometry["coordinates"]
    several = coordinates if kind == "MultiPolygon" else [coordinates]
    return [tuple(_ring(ring) for ring in polygon) for polygon in several], []


def _ring(points: Any) -> Ring:
    try:
        ring = np.array(points, np.float64)
    except ValueError:
        # Some corners have a height, and some have none.
        ring = np.array([point[:2] for point in points], np.float64)
    if ring.size == 0:
        return np.empty((0, 2))
    if ring.ndim != 2 or ring.shape[1] < 2:
        raise ValueError("a ring is not a list of points")
    return ring[:, :2]


def _recognises(content: Any) -> bool:
    if isinstance(content, dict):
        return _is_collection(content) or content.get("type") in [*_KINDS, *_AREALESS]
    return isinstance(content, list)


def _read(content: Any) -> Iterator[Drawing]:
    return map(read_feature, outermost_features(content))


GEOJSON = Program("GeoJSON", "level 0", _recognises, _read)

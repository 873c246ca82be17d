"""Reads GeoJSON of QuPath 0.2 and later."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from wsiseg.annotations.geojson import outermost_features, read_feature
from wsiseg.annotations.program import Drawing, Program
from wsiseg.classes import Colour

_OWN_PROPERTIES = {"objectType", "object_type", "classification"}
PAINTED = ("wsiseg", "painted")
"""What stands in the metadata, which QuPath keeps, of shapes that were painted over others."""

_LONGEST_CLASS = 10_000
_OLD_IDS = {
    "PathAnnotationObject",
    "PathDetectionObject",
    "PathCellObject",
    "PathTileObject",
    "TMACoreObject",
}
"""QuPath 0.2 named the kind of an object where its identifier belongs."""


def _recognises(content: Any) -> bool:
    if not isinstance(content, dict | list):
        return False
    try:
        return any(map(_is_own, outermost_features(content)))
    except ValueError:
        return False


def _is_own(feature: Any) -> bool:
    if not isinstance(feature, dict):
        return False
    properties = feature.get("properties")
    identifier = feature.get("id")
    return (isinstance(properties, dict) and not _OWN_PROPERTIES.isdisjoint(properties)) or (
        isinstance(identifier, str) and identifier in _OLD_IDS
    )


def _read(content: Any) -> Iterator[Drawing]:
    for feature in outermost_features(content):
        yield from _read_object(feature)


def _read_object(feature: Any) -> Iterator[Drawing]:
    """Yield an object, then those inside it, which are drawn over it.

    The nucleus of a cell has a geometry of its own, beside the cell's; it is no annotation.
    """
    waiting = [feature]
    while waiting:
        drawing = read_feature(feature := waiting.pop())
        properties = feature.get("properties")
        if not isinstance(properties, dict):
            yield drawing
            continue
        given = _as_written(properties.get("classification"))
        yield replace(
            drawing,
            name=_class_name(given),
            colour=_class_colour(given),
            painted=_is_painted(properties),
        )
        children = _as_written(properties.get("childObjects")) or ()
        if not isinstance(children, list | tuple):
            raise TypeError("the objects inside an object are not a list")
        waiting.extend(reversed(children))


def _is_painted(properties: dict[str, Any]) -> bool:
    metadata = properties.get("metadata")
    return isinstance(metadata, dict) and metadata.get(PAINTED[0]) == PAINTED[1]


def _as_written(given: Any) -> Any:
    """Return a property as QuPath wrote it: tables of other programs hold it as text.

    geopandas and GDAL turn what is no number or text into JSON, pandas into Python's spelling.
    """
    if not isinstance(given, str) or given[:1] not in ("{", "["):
        return given
    # Python's spelling is read for classes only: it is made for short texts.
    ways = (json.loads, ast.literal_eval) if len(given) <= _LONGEST_CLASS else (json.loads,)
    for understand in ways:
        try:
            found = understand(given)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, dict | list):
            return found
    return given


def _class_name(given: Any) -> str | None:
    """Return a class as QuPath shows it: derived ones as ``parent: child``."""
    if isinstance(given, str):
        return given.strip() or None
    if isinstance(given, list):
        return ": ".join(str(name).strip() for name in given if name) or None
    if not isinstance(given, dict):
        return None
    names = given.get("names")
    if not isinstance(names, list):
        names = [_class_name(given.get("parentClass")), given.get("name")]
    return ": ".join(str(name).strip() for name in names if name) or None


def _class_colour(given: Any) -> Colour | None:
    if not isinstance(given, dict):
        return None
    # Up to 0.3 a signed number of 32 bits (alpha, red, green, blue); later a list, alpha last.
    colour = given.get("color", given.get("colorRGB"))
    if isinstance(colour, int):
        return colour >> 16 & 255, colour >> 8 & 255, colour & 255
    if not isinstance(colour, list) or len(colour) not in (3, 4):
        return None
    if not all(isinstance(part, int) and 0 <= part <= 255 for part in colour):
        return None
    red, green, blue = colour[:3]
    return red, green, blue


# It shows the scanned part of a slide only, and counts from that part's corner.
QUPATH = Program("QuPath", "bounds", _recognises, _read)

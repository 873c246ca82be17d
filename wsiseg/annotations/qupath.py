"""What QuPath 0.2 and later export as GeoJSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from wsiseg.annotations.geojson import outermost_features, read_feature
from wsiseg.annotations.program import Drawing, Program
from wsiseg.classes import Colour

_OWN_PROPERTIES = {"objectType", "object_type", "classification"}
_OLD_IDS = {
    "PathAnnotationObject",
    "PathDetectionObject",
    "PathCellObject",
    "PathTileObject",
    "TMACoreObject",
}
"""QuPath 0.2 named the kind of an object where its identifier belongs."""


def _recognises(content: Any) -> bool:
    features = content.get("features", [content]) if isinstance(content, dict) else content
    return isinstance(features, list) and any(map(_is_own, features))


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
    drawing = read_feature(feature)
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        yield drawing
        return
    given = properties.get("classification")
    yield replace(drawing, name=_class_name(given), colour=_class_colour(given))
    for child in properties.get("childObjects") or ():
        yield from _read_object(child)


def _class_name(given: Any) -> str | None:
    """Return a class as QuPath shows it: derived ones as ``parent: child``."""
    if isinstance(given, str):
        return given or None
    if not isinstance(given, dict):
        return None
    names = given.get("names")
    if not isinstance(names, list):
        names = [_class_name(given.get("parentClass")), given.get("name")]
    return ": ".join(str(name) for name in names if name) or None


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

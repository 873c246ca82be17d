"""Reads ``.annotations`` files of Indica Labs HALO, which are XML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from wsiseg.annotations.program import Drawing, Program, Ring
from wsiseg.annotations.xml_shapes import (
    box_around,
    colour_from_number,
    ellipse_in,
    is_set,
    read_corners,
)

_AREAS = {"Polygon", "Rectangle", "Ellipse"}


def _recognises(root: Any) -> bool:
    if not isinstance(root, Element) or root.tag != "Annotations":
        return False
    # ImageScope numbers the types of its regions.
    region = root.find(".//Region")
    return region is not None and region.get("Type", "").isalpha()


def _read(root: Any) -> Iterator[Drawing]:
    for number, layer in enumerate(root.iter("Annotation")):
        name = layer.get("Name", "").strip() or None
        colour = colour_from_number(layer.get("LineColor"))
        for region in layer.iter("Region"):
            kind = region.get("Type", "")
            if kind in _AREAS:
                yield Drawing(
                    name,
                    colour,
                    polygons=((_outline(region, kind),),),
                    layer=number,
                    excluded=is_set(region, "NegativeROA"),
                )
            else:
                what = kind.lower() or "region of no type"
                yield Drawing(name, colour, without_area=(what,), layer=number)


def _outline(region: Element, kind: str) -> Ring:
    corners = read_corners(region.iter("V"))
    if kind == "Ellipse":
        return ellipse_in(corners)
    if kind == "Rectangle" and len(corners) == 2:
        return box_around(corners)
    return corners


# On slides with a scanned part it counts from the tiles that hold that part, as dlup found out.
HALO = Program("HALO", "tiles of bounds", _recognises, _read)

"""Reads XML of Aperio ImageScope."""

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

_FREEHAND, _RECTANGLE, _ELLIPSE = "0", "1", "2"
_DEFAULT_HEADING = "Description"


def _recognises(root: Any) -> bool:
    return isinstance(root, Element) and root.tag == "Annotations"


def _read(root: Any) -> Iterator[Drawing]:
    for number, layer in enumerate(root.iter("Annotation")):
        colour = colour_from_number(layer.get("LineColor"))
        layer_name = _layer_name(layer)
        for region in layer.iter("Region"):
            title = region.get("Text", "").strip() or None
            name = layer_name or title
            kind = region.get("Type", _FREEHAND)
            if kind in (_FREEHAND, _RECTANGLE, _ELLIPSE):
                yield Drawing(
                    name,
                    colour,
                    polygons=((_outline(region, kind),),),
                    layer=number,
                    excluded=is_set(region, "NegativeROA"),
                    title=title,
                )
            else:
                what = "arrow" if kind == "3" else f"type {kind} shape"
                yield Drawing(name, colour, without_area=(what,), layer=number)


def _layer_name(layer: Element) -> str | None:
    """Return what a layer is called: by its name, or by the first of its attributes.

    An attribute is a heading with a value.  Users either rename the heading, or leave the
    program's own and fill in the value.
    """
    name = layer.get("Name", "").strip()
    attribute = layer.find("./Attributes/Attribute")
    if name or attribute is None:
        return name or None
    heading, value = (attribute.get(key, "").strip() for key in ("Name", "Value"))
    return (value if heading == _DEFAULT_HEADING else heading) or None


def _outline(region: Element, kind: str) -> Ring:
    corners = read_corners(region.iter("Vertex"))
    # Some freehand outlines are marked as rectangles, and some rectangles have all four corners.
    if kind == _ELLIPSE and 2 <= len(corners) <= 4:
        return ellipse_in(corners)
    if kind == _RECTANGLE and len(corners) == 2:
        return box_around(corners)
    return corners


IMAGESCOPE = Program("ImageScope", "level 0", _recognises, _read)

"""Reads XML of ASAP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from wsiseg.annotations.program import Drawing, Program, Ring
from wsiseg.annotations.xml_shapes import read_corners
from wsiseg.classes import Colour

# Of a spline the file has the points that were clicked; ASAP's own masks join them straight too.
_AREAS = {"polygon", "rectangle", "spline"}
_AREALESS = {"dot": "dot", "pointset": "point set", "measurement": "measurement"}


def _recognises(root: Any) -> bool:
    return isinstance(root, Element) and (
        root.tag == "ASAP_Annotations" or root.find(".//Coordinate") is not None
    )


def _read(root: Any) -> Iterator[Drawing]:
    groups = {group.get("Name"): _colour(group) for group in root.iter("Group")}
    for annotation in root.iter("Annotation"):
        # Groups may lie in groups; the innermost is the one that the annotation names.
        group = annotation.get("PartOfGroup", "None").strip()
        name = None if group in ("None", "") else group
        colour = groups.get(name) or _colour(annotation)
        kind = annotation.get("Type", "").lower()
        if kind in _AREAS:
            title = annotation.get("Name", "").strip() or None
            yield Drawing(name, colour, polygons=((_corners(annotation),),), title=title)
        else:
            label = _AREALESS.get(kind, "annotation of no type")
            yield Drawing(name, colour, without_area=(label,))


def _corners(annotation: Element) -> Ring:
    points = list(annotation.iter("Coordinate"))
    if all(point.get("Order") for point in points):
        points.sort(key=lambda point: float(point.attrib["Order"]))
    return read_corners(points)


def _colour(element: Element) -> Colour | None:
    text = element.get("Color", "")
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        return None
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


ASAP = Program("ASAP", "level 0", _recognises, _read)

"""Annotations as four programs write them, and what they are laid over."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon, mapping

from array_slide import ArraySlide
from wsiseg.tiling import Box
from wsiseg.tiling.resolution import WorkingPlane

SQUARE = Polygon([(10, 20), (30, 20), (30, 60), (10, 60)])
RING = Polygon(
    [(5, 5), (45, 5), (45, 45), (5, 45)], holes=[[(15, 10), (35, 10), (35, 30), (15, 30)]]
)
TRIANGLE = Polygon([(40.5, 62.25), (77.5, 64.75), (52.125, 97.5)])


def plane(height: int = 100, width: int = 80, scale: float = 1.0) -> WorkingPlane:
    return WorkingPlane(height, width, 0, scale, scale, 0.5 * scale)


def slide(height: int = 100, width: int = 80, bounds: Box | None = None) -> ArraySlide:
    """Return an empty slide, of which `bounds` was scanned."""
    found = ArraySlide(np.broadcast_to(np.uint8(0), (height, width, 3)))
    found.facts = dataclasses.replace(found.facts, bounds=bounds)
    return found


def write(folder: Path, content: Any, name: str = "drawn") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def feature(geometry: shapely.Geometry, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": mapping(geometry)}


def in_qupath(geometry: shapely.Geometry, name: str | None = None) -> dict[str, Any]:
    named = {} if name is None else {"classification": {"name": name, "color": [200, 0, 0]}}
    return feature(geometry, objectType="annotation", **named)


def collection(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def corners(geometry: Polygon, tag: str) -> str:
    points = geometry.exterior.coords[:-1]
    return "".join(f'<{tag} X="{x}" Y="{y}"/>' for x, y in points)


def asap(*annotations: str, groups: str = "") -> str:
    return (
        f'<?xml version="1.0"?><ASAP_Annotations><Annotations>{"".join(annotations)}'
        f"</Annotations><AnnotationGroups>{groups}</AnnotationGroups></ASAP_Annotations>"
    )


def in_asap(geometry: Polygon, kind: str = "Polygon", group: str = "a") -> str:
    points = "".join(
        f'<Coordinate Order="{order}" X="{x}" Y="{y}"/>'
        for order, (x, y) in enumerate(geometry.exterior.coords[:-1])
    )
    return (
        f'<Annotation Name="Annotation 1" Type="{kind}" PartOfGroup="{group}" Color="#64FE2E">'
        f"<Coordinates>{points}</Coordinates></Annotation>"
    )


def imagescope(*layers: str) -> str:
    return f'<Annotations MicronsPerPixel="0.25">{"".join(layers)}</Annotations>'


def layer(regions: Iterable[str], name: str = "a", heading: str = "", value: str = "") -> str:
    return (
        f'<Annotation Id="1" Name="{name}" Type="4" LineColor="65535"><Attributes>'
        f'<Attribute Name="{heading}" Id="0" Value="{value}"/></Attributes>'
        f"<Regions><RegionAttributeHeaders/>{''.join(regions)}</Regions><Plots/></Annotation>"
    )


def region(geometry: Polygon, kind: str = "0", *, negative: bool = False, text: str = "") -> str:
    return (
        f'<Region Id="1" Type="{kind}" NegativeROA="{int(negative)}" Text="{text}"><Attributes/>'
        f"<Vertices>{corners(geometry, 'Vertex')}</Vertices></Region>"
    )


def two_corners(kind: str, tag: str) -> str:
    """Return a region that is given by corners at x 10, y 20 and x 50, y 80."""
    return (
        f'<Region Type="{kind}" HasEndcaps="0" NegativeROA="0"><Vertices>'
        f'<{tag} X="50" Y="20"/><{tag} X="10" Y="80"/></Vertices><Comments/></Region>'
    )


def halo(*layers: tuple[str, Iterable[str]]) -> str:
    inside = "".join(
        f'<Annotation Name="{name}" Visible="True" LineColor="5634047"><Regions>'
        f"{''.join(regions)}</Regions></Annotation>"
        for name, regions in layers
    )
    return f"<Annotations>{inside}</Annotations>"


def in_halo(geometry: Polygon, *, negative: bool = False) -> str:
    comment = '<Comment Author="&lt;no user&gt;" Body="Here" CreatedTime="2024-03-20T17:02:03Z"/>'
    return (
        f'<Region Type="Polygon" HasEndcaps="0" NegativeROA="{int(negative)}"><Vertices>'
        f"{corners(geometry, 'V')}</Vertices><Comments>{comment}</Comments></Region>"
    )

"""Annotation files as public bug reports tell of them, each with its own peculiarity."""

import gzip
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

Ring = Sequence[Sequence[float | str]]


def ring(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


TEN, FIFTY, HUNDRED = ring(0, 0, 10, 10), ring(0, 0, 50, 50), ring(10, 10, 110, 110)
ASIDE = ring(20, 0, 30, 10)


def polygon(*rings: Ring) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def feature(geometry: Any, name: str | None = "Tumor", **properties: Any) -> dict[str, Any]:
    classed = {} if name is None else {"classification": {"name": name, "color": [200, 0, 0]}}
    properties = {"objectType": "annotation", **classed, **properties}
    return {"type": "Feature", "id": "x", "geometry": geometry, "properties": properties}


def plain(properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": polygon(TEN), "properties": properties}


def collection(*features: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


def shape(*rings: Ring) -> str:
    return collection(feature(polygon(*rings)))


def classed(classification: Any) -> str:
    return collection(plain({"objectType": "annotation", "classification": classification}))


def points(tag: str, corners: Ring) -> str:
    return "".join(f'<{tag} X="{x}" Y="{y}"/>' for x, y in corners)


def asap(*shapes: tuple[str, str, Ring], groups: str = "") -> str:
    drawn = "".join(
        f'<Annotation Name="a" Type="{kind}" PartOfGroup="{group}"><Coordinates>'
        + "".join(f'<Coordinate Order="{k}" X="{x}" Y="{y}"/>' for k, (x, y) in enumerate(corners))
        + "</Coordinates></Annotation>"
        for kind, group, corners in shapes
    )
    return (
        f'<?xml version="1.0"?><ASAP_Annotations><Annotations>{drawn}</Annotations>'
        f"<AnnotationGroups>{groups}</AnnotationGroups></ASAP_Annotations>"
    )


def asap_group(name: str, parent: str = "None") -> str:
    return f'<Group Name="{name}" PartOfGroup="{parent}"/>'


def halo(*regions: tuple[str, int, Ring]) -> str:
    drawn = "".join(
        f'<Region Type="{kind}" HasEndcaps="0" NegativeROA="{negative}"><Vertices>'
        f"{points('V', corners)}</Vertices><Comments/></Region>"
        for kind, negative, corners in regions
    )
    return (
        '<Annotations><Annotation LineColor="255" Name="Tumor" Visible="True">'
        f"<Regions>{drawn}</Regions></Annotation></Annotations>"
    )


def imagescope(*regions: tuple[str, Ring], name: str = "Tumor", declared: str = "") -> str:
    drawn = "".join(
        f'<Region Id="1" Type={attributes}><Vertices>{points("Vertex", corners)}</Vertices>'
        "</Region>"
        for attributes, corners in regions
    )
    encoding = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    return (
        f'{encoding}<Annotations MicronsPerPixel="0.499"><Annotation Id="1" Name="{name}" '
        f'LineColor="255"><Attributes/><Regions>{drawn}</Regions></Annotation></Annotations>'
    )


SQUARE = TEN[:-1]
OUTER, INNER = (
    ("Polygon", "_0", ring(0, 0, 100, 100)[:-1]),
    ("Polygon", "_2", ring(20, 20, 70, 70)[:-1]),
)
OUTER_AND_INNER = asap_group("_0") + asap_group("_2")
OVAL = [[100, 100], [200, 150]]
LINE = [[1, 1], [9, 9]]
FREE = ('"0"', SQUARE)

TEXTS: dict[str, str] = {
    "asap_dot.xml": asap(("Dot", "Tumor", [[5, 5]]), ("Polygon", "Tumor", SQUARE)),
    "asap_excl_after.xml": asap(OUTER, INNER, groups=OUTER_AND_INNER),
    "asap_excl_before.xml": asap(INNER, OUTER, groups=OUTER_AND_INNER),
    "asap_nested.xml": asap(
        ("Polygon", "child", SQUARE), groups=asap_group("Tumor") + asap_group("child", "Tumor")
    ),
    "asap_none.xml": asap(("Polygon", "None", SQUARE)),
    "asap_rect_order.xml": asap(
        ("Rectangle", "Tumor", [["0,5", "0"], ["10,5", "0"], ["10,5", "10"], ["0,5", "10"]])
    ),
    "bowtie.geojson": shape([[0, 0], [100, 100], [100, 0], [0, 100], [0, 0]]),
    "cells.geojson": collection(
        feature(polygon(ring(0, 0, 20, 20)), objectType="cell")
        | {"nucleusGeometry": polygon(ring(5, 5, 10, 10))}
    ),
    "childobj.geojson": collection(
        feature(polygon(FIFTY), childObjects=[feature(polygon(TEN), "Stroma")])
    ),
    "clockwise.geojson": shape(FIFTY[::-1]),
    "fc.geojson": shape(HUNDRED),
    "halo_ellipse.annotations": halo(("Ellipse", 0, [[0, 0], [100, 50]])),
    "halo_neg_before.annotations": halo(("Polygon", 1, SQUARE), ("Polygon", 0, FIFTY[:-1])),
    "halo_rect.annotations": halo(("Rectangle", 0, [[0, 0], [50, 40]])),
    "halo_ruler.annotations": halo(("Ruler", 0, [[0, 0], [50, 40]]), ("Polygon", 0, SQUARE)),
    "hole_first_outside.geojson": shape(FIFTY, ring(60, 60, 80, 80)),
    "hole_touch.geojson": shape(ring(0, 0, 100, 100), FIFTY),
    "is_arrow_ruler.xml": imagescope(('"3"', LINE), ('"4"', LINE), FREE),
    "is_ellipse2.xml": imagescope(('"2"', OVAL)),
    "is_ellipse4.xml": imagescope(('"2"', ring(100, 100, 200, 150)[:-1])),
    "is_ellipse_mid.xml": imagescope(('"2"', [[150, 100], [200, 125], [150, 150], [100, 125]])),
    "is_neg.xml": imagescope(('"0"', ring(0, 0, 100, 100)[:-1]), ('"0" NegativeROA="1"', SQUARE)),
    "is_rect.xml": imagescope(('"1"', ring(100, 100, 200, 150)[:-1])),
    "list.json": json.dumps([feature(polygon(HUNDRED))]),
    "mixed_dim.geojson": shape(
        [[*point, 0][: 2 if k == 1 else 3] for k, point in enumerate(FIFTY)]
    ),
    "multipoly_nested.geojson": collection(
        feature(
            {
                "type": "MultiPolygon",
                "coordinates": [[HUNDRED, ring(20, 20, 100, 100)], [ring(30, 30, 90, 90)]],
            }
        )
    ),
    "names_list.geojson": classed({"names": ["Tumor", "Positive"]}),
    "ndjson.geojson": "\n".join(
        json.dumps(each) for each in (feature(polygon(TEN)), feature(polygon(ASIDE), "Stroma"))
    ),
    "neg.geojson": shape(ring(-20, -20, 30, 30)),
    "null_class.geojson": collection(
        plain({"objectType": "annotation", "classification": None}), feature(polygon(ASIDE))
    ),
    "null_geom.geojson": collection(feature(None, None), feature(polygon(ASIDE))),
    "null_props.geojson": collection(plain(None)),
    "points.geojson": collection(
        feature({"type": "MultiPoint", "coordinates": [[1, 1], [2, 2]]}),
        feature({"type": "LineString", "coordinates": LINE}, "Stroma"),
        feature({"type": "Point", "coordinates": [1, 1]}),
        feature(polygon(TEN), "Stroma"),
    ),
    "props_label.geojson": collection(plain({"label": "Tumor"})),
    "props_name.geojson": collection(plain({"name": "Tumor"})),
    "root_tma.geojson": collection(
        feature(polygon(ring(0, 0, 700, 500)), None, objectType="tmaCore"), feature(polygon(TEN))
    ),
    "space_class.geojson": classed({"name": "Tumor "}),
    "strcoord.geojson": shape([["0", "0"], ["50", "0"], ["50", "50"], ["0", "0"]]),
    "string_class_dict.geojson": classed("{'name': 'Tumor', 'color': [200, 0, 0]}"),
    "string_class_json.geojson": classed('{"name": "Tumor", "color": [200, 0, 0]}'),
    "tiny.geojson": collection(
        feature(polygon(ring(10.4, 10.4, 10.7, 10.7))),
        feature(polygon(ring(20.6, 20.6, 20.8, 20.8)), "Stroma"),
    ),
    "with_z.geojson": shape([[*point, 0] for point in FIFTY]),
    "x_decl16_but8.xml": imagescope(FREE, declared="utf-16"),
}


def encoded(text: str, encoding: str, before: bytes = b"") -> bytes:
    return before + text.encode(encoding)


MADE: dict[str, Callable[[], bytes]] = {
    **{name: partial(encoded, text, "utf-8") for name, text in TEXTS.items()},
    "gz.geojson.gz": lambda: gzip.compress(shape(TEN).encode()),
    "utf16.geojson": partial(encoded, shape(TEN), "utf-16-le", b"\xff\xfe"),
    "utf16be.geojson": partial(encoded, shape(TEN), "utf-16-be"),
    "utf8bom.geojson": partial(encoded, shape(TEN), "utf-8-sig"),
    "x_bom.xml": partial(encoded, imagescope(FREE, declared="utf-8"), "utf-8-sig"),
    "x_latin1.xml": partial(
        encoded, imagescope(FREE, name="Tumör", declared="ISO-8859-1"), "latin-1"
    ),
    "x_utf16.xml": partial(encoded, imagescope(FREE, declared="UTF-16"), "utf-16-le", b"\xff\xfe"),
    "x_latin1_undeclared.xml": partial(encoded, imagescope(FREE, name="Tumör"), "latin-1"),
}
"""What each of the files contains."""

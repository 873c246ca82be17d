"""A dozen annotations and class maps in XML, YAML and GeoJSON that mean harm."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

ENTITY = '<!DOCTYPE a [<!ENTITY e SYSTEM "{}">]>'
DRAWN = (
    '<ASAP_Annotations><Annotations><Annotation Name="{0}" Type="Polygon" PartOfGroup="{0}">'
    '<Coordinates><Coordinate X="0" Y="0"/><Coordinate X="9" Y="0"/><Coordinate X="9" Y="9"/>'
    "</Coordinates></Annotation></Annotations></ASAP_Annotations>"
)


def feature(name: str, ring: object = ((0, 0), (9, 0), (9, 9), (0, 0))) -> str:
    return json.dumps(
        {
            "type": "Feature",
            "properties": {"classification": {"name": name}},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
    )


def packed(path: Path) -> None:
    """Write two gigabytes of blanks in two megabytes."""
    path.write_bytes(gzip.compress(b" " * (1 << 24), 6) * 128)


def nested_packed(path: Path) -> None:
    data = b" " * (1 << 25)
    for _ in range(2):
        data = gzip.compress(data, 9)
    path.write_bytes(data)


FILES: dict[str, Callable[[Path], object] | str] = {
    "read.xml": ENTITY.format("file:///etc/passwd") + DRAWN.format("&e;"),
    "fetched.xml": ENTITY.format("http://127.0.0.1:9/evil") + DRAWN.format("&e;"),
    "parameter.xml": '<!DOCTYPE a [<!ENTITY % e SYSTEM "file:///etc/passwd"> %e;]>'
    + DRAWN.format("a"),
    "blown.xml": f'<!DOCTYPE a [<!ENTITY e "{"a" * 100_000}">]>' + DRAWN.format("&e;" * 30_000),
    "included.xml": DRAWN.format("a").replace(
        "<Coordinates>",
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd" parse="text"/>'
        "<Coordinates>",
    ),
    "python.yaml": "!!python/object/apply:os.system ['touch pwned']: gland\n",
    "laughing.yaml": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{i}: &{i} [{','.join([f'*{i - 1}' if i else '*a'] * 9)}]\n" for i in range(9)),
    "folded.yaml": "? " * 60_000 + "a",
    "packed.geojson": packed,
    "packed-twice.geojson.gz": nested_packed,
    "deep.geojson": feature("a", "RING").replace('"RING"', "[" * 200_000 + "]" * 200_000),
    "digits.geojson": feature("a").replace("9", "9" * 1_000_000, 1),
    "brackets.geojson": "[" + "[]," * 15_000_000 + "[]]",
}

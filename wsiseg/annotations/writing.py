"""Writes GeoJSON that QuPath 0.4 and later read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import shapely

from wsiseg.annotations.annotation import Annotation
from wsiseg.annotations.qupath import PAINTED
from wsiseg.classes import Colour, distinct_colour
from wsiseg.store.disk import translate_write_errors


def write_qupath(path: Path, annotations: Sequence[Annotation]) -> None:
    """Write GeoJSON that QuPath opens with classes, colours and identifiers.

    The same annotations give the same file.  On slides with scanned bounds, QuPath takes the
    coordinates from the corner of the bounds.

    Parameters
    ----------
    path : Path
        The file; gzipped if its name ends with ``.gz``.  It appears complete or not at all.
    annotations : sequence of Annotation
        In painting order, in the file's coordinates.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    names = dict.fromkeys(a.name for a in annotations if a.name is not None)
    colours = {name: distinct_colour(index) for index, name in enumerate(names)}
    unfinished = path.with_name(f"{path.name}.partial")
    with translate_write_errors(path):
        with unfinished.open("wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                    packed.writelines(_lines(annotations, colours))
            else:
                raw.writelines(_lines(annotations, colours))
        unfinished.replace(path)


def _lines(annotations: Sequence[Annotation], colours: Mapping[str, Colour]) -> Iterator[bytes]:
    yield b'{"type": "FeatureCollection", "features": [\n'
    for index, annotation in enumerate(annotations):
        comma = "," if index + 1 < len(annotations) else ""
        yield f"{_feature(index, annotation, colours)}{comma}\n".encode()
    yield b"]}\n"


def _feature(index: int, annotation: Annotation, colours: Mapping[str, Colour]) -> str:
    geometry = shapely.to_geojson(annotation.geometry)
    properties: dict[str, object] = {"objectType": "annotation"}
    if annotation.painted:
        properties["metadata"] = dict([PAINTED])
    if annotation.name is not None:
        # QuPath takes no class without a colour.
        colour = annotation.colour or colours[annotation.name]
        properties["classification"] = {"name": annotation.name, "color": colour}
    identifier = uuid5(NAMESPACE_OID, f"{index} {annotation.name} {geometry}")
    return (
        f'{{"type": "Feature", "id": "{identifier}", "geometry": {geometry}, '
        f'"properties": {json.dumps(properties)}}}'
    )

"""Writes GeoJSON that QuPath 0.4 and later read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from uuid import NAMESPACE_OID, uuid5

import shapely

from wsiseg.annotations.annotation import Annotation
from wsiseg.annotations.qupath import PAINTED
from wsiseg.classes import Colour, distinct_colour
from wsiseg.store.disk import replace_when_complete

_LEVEL = 6
"""Of compression: the highest takes several times as long for a few per cent."""


class _BytesFile(Protocol):
    def write(self, data: bytes, /) -> object: ...


class FeatureFile:
    """GeoJSON that is being written, feature by feature.

    Attributes
    ----------
    features : int
        How many there are so far.
    """

    def __init__(self, file: _BytesFile) -> None:
        self._file = file
        self.features = 0

    def write(self, key: str, geometry: Iterable[str], properties: Mapping[str, object]) -> None:
        """Write one feature.

        Parameters
        ----------
        key : str
            What its identifier is made from: the same gives the same.
        geometry : iterable of str
            Its geometry as JSON, in pieces.
        properties : mapping
            As QuPath names them.
        """
        comma = ",\n" if self.features else ""
        head = f'{comma}{{"type": "Feature", "id": "{uuid5(NAMESPACE_OID, key)}", "geometry": '
        self._file.write(head.encode())
        for piece in geometry:
            self._file.write(piece.encode())
        self._file.write(f', "properties": {json.dumps(properties)}}}'.encode())
        self.features += 1


@contextmanager
def write_features(path: Path) -> Iterator[FeatureFile]:
    """Write GeoJSON as a context manager; the file appears complete or not at all.

    Parameters
    ----------
    path : Path
        The file; gzipped if its name ends with ``.gz``.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replace_when_complete(path) as unfinished, unfinished.open("wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", _LEVEL, fileobj=raw, mtime=0) as packed:
                yield from _collection(packed)
        else:
            yield from _collection(raw)


def _collection(file: _BytesFile) -> Iterator[FeatureFile]:
    file.write(b'{"type": "FeatureCollection", "features": [\n')
    yield FeatureFile(file)
    file.write(b"\n]}\n")


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
    with write_features(path) as file:
        for index, annotation in enumerate(annotations):
            geometry = shapely.to_geojson(annotation.geometry)
            key = f"{index} {annotation.name} {geometry}"
            file.write(key, [geometry], _properties(annotation, colours))


def _properties(annotation: Annotation, colours: Mapping[str, Colour]) -> dict[str, object]:
    properties: dict[str, object] = {"objectType": "annotation"}
    if annotation.painted:
        properties["metadata"] = dict([PAINTED])
    if annotation.name is not None:
        # QuPath takes no class without a colour.
        colour = annotation.colour or colours[annotation.name]
        properties["classification"] = class_property(annotation.name, colour)
    return properties


def class_property(name: str, colour: Colour) -> dict[str, object]:
    """Return a class as QuPath writes it.

    Parameters
    ----------
    name : str
        As users read it; ``parent: child`` for derived ones.
    colour : tuple of int
        RGB.
    """
    return {"name": name, "color": colour}

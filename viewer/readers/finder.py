"""Finding the reader of a file: napari's entry point, which loads nothing heavy.

napari asks for every file that any user opens, so this module is quick to import.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from wsiseg.viewer.busy import without_blocking

Reader = Callable[[Any], list[Any]]

DRAWINGS = (".geojson", ".geojson.gz", ".json", ".xml", ".annotations")
"""What files of shapes end in."""

_SIGNS = {".json": (b'"Feature"', b'"FeatureCollection"', b'"geometry"'), ".xml": (b"Annotations",)}
"""Of which one stands near the beginning of such a file; the other endings say enough."""
_BEGINNING = 4096


def find_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader of slides, masks and annotations, or None for what is none of them.

    Parameters
    ----------
    path : str or sequence of str
        What is to be opened.
    """
    paths = [Path(each) for each in ([path] if isinstance(path, str) else path)]
    return _read if paths and all(map(_is_ours, paths)) else None


def _read(path: str | Sequence[str]) -> list[Any]:
    reading = without_blocking(import_module, "wsiseg.viewer.readers.reading")
    layers: list[Any] = reading.read(path)
    return layers


def _is_ours(path: Path) -> bool:
    """Leave other Zarr to other plug-ins; a damaged slide is read, to say what is wrong."""
    if path.is_dir():
        return _holds_labels(path)
    signs = _SIGNS.get(path.suffix.lower())
    return path.is_file() and (signs is None or _begins_with(path, signs))


def is_drawing(path: Path) -> bool:
    """Tell whether a file holds shapes, by its name."""
    return path.name.lower().endswith(DRAWINGS) and not path.is_dir()


def _begins_with(path: Path, signs: Sequence[bytes]) -> bool:
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING)
    except OSError:
        return False
    return any(sign in beginning for sign in signs)


def _holds_labels(store: Path) -> bool:
    """Tell whether a store says that it holds labels, or that this package wrote it."""
    if (store / "labels").is_dir():
        return True
    for name in ("zarr.json", ".zattrs"):
        try:
            content = json.loads((store / name).read_text(encoding="utf-8"))
            attributes = content["attributes"] if name == "zarr.json" else content
            return "wsiseg" in attributes or "image-label" in attributes.get("ome", attributes)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return False

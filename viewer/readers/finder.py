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


def find_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader of slides and masks, or None for what is neither.

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
    return _holds_labels(path) if path.is_dir() else path.is_file()


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

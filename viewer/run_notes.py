"""What the run that made a mask noted: its warnings, and whether regions were given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsiseg.errors import OutputError
from wsiseg.segmentation.provenance import read_run
from wsiseg.store.label_images import LabelImage

_UNKNOWN = "What the run warned of, and the border of its regions, are not shown."


def run_warnings(image: LabelImage) -> list[str]:
    """Return what the run of a mask warned of; nothing if its run file is not beside it.

    Parameters
    ----------
    image : LabelImage
        A mask.

    Raises
    ------
    OutputError
        If the run file is damaged.
    """
    return [str(each) for each in _run_of(image).get("warnings", [])]


def has_regions(image: LabelImage) -> bool:
    """Tell whether a mask was made inside regions only, as far as its run file says.

    Parameters
    ----------
    image : LabelImage
        A mask.

    Raises
    ------
    OutputError
        If the run file is damaged.
    """
    return _run_of(image).get("identity", {}).get("roi") is not None


def _run_of(image: LabelImage) -> Mapping[str, Any]:
    name = str(image.notes.get("run", ""))
    if not name:
        return {}
    store = next((p for p in (image.path, *image.path.parents) if p.suffix == ".zarr"), image.path)
    path = store.parent / name
    if not path.exists():
        # The mask was copied alone, or is not finished.
        return {}
    try:
        run = read_run(path)
    except OutputError as error:
        raise OutputError(error.what, path, _UNKNOWN) from error
    if not isinstance(run.get("warnings", []), list):
        raise OutputError("the run file cannot be read: its warnings are no list", path, _UNKNOWN)
    return run

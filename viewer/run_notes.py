"""What the run that made a mask noted: its warnings, and whether regions were given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsiseg.errors import OutputError
from wsiseg.segmentation.provenance import read_run
from wsiseg.store.label_images import LabelImage


def run_warnings(image: LabelImage) -> list[str]:
    """Return what the run of a mask warned of; nothing if its run file is not beside it.

    Parameters
    ----------
    image : LabelImage
        A mask.
    """
    found = _run_of(image).get("warnings")
    return [str(each) for each in found] if isinstance(found, list) else []


def has_regions(image: LabelImage) -> bool:
    """Tell whether a mask was made inside regions only, as far as its run file says.

    Parameters
    ----------
    image : LabelImage
        A mask.
    """
    identity = _run_of(image).get("identity")
    return isinstance(identity, Mapping) and identity.get("roi") is not None


def _run_of(image: LabelImage) -> Mapping[str, Any]:
    name = str(image.notes.get("run", ""))
    if not name:
        return {}
    store = next((p for p in (image.path, *image.path.parents) if p.suffix == ".zarr"), image.path)
    try:
        return read_run(store.parent / name)
    except OutputError:
        # The mask may have been copied alone; what was noted of it is then not known.
        return {}

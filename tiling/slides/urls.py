"""Slides that lie elsewhere: ``s3://bucket/slide.ome.zarr``, ``https://host/slide.ome.zarr``.

An address is carried in a :class:`~pathlib.Path` like any file, so that it has a name and an
ending; that a path holds ``https:/host`` for ``https://host`` is undone here.
"""

from __future__ import annotations

import re
from pathlib import Path

# A single letter before the colon is a drive of Windows.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.IGNORECASE)


def is_remote(path: Path) -> bool:
    """Tell an address from a file of this machine."""
    return _ADDRESS.match(path.as_posix()) is not None


def url_or_path(path: Path) -> str:
    """Return the address that a path stands for, or the path as it is."""
    found = _ADDRESS.match(path.as_posix())
    return str(path) if found is None else f"{found[1].lower()}://{found[2]}"

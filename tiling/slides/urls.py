"""Slides behind a URL: ``s3://bucket/slide.ome.zarr``, ``https://host/slide.ome.zarr``.

A URL is carried in a :class:`~pathlib.Path` like any file, so that it has a name and an ending.  A
path turns ``https://host`` into ``https:/host``; here that is undone.
"""

from __future__ import annotations

import re
from pathlib import Path

# A single letter before the colon is a drive of Windows.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.IGNORECASE)


def is_remote(path: Path) -> bool:
    """Tell whether a path stands for a URL, not for a file of this machine."""
    return _ADDRESS.match(path.as_posix()) is not None


def url_or_path(path: Path) -> str:
    """Return the URL that a path stands for, or the path as text if it is a local one.

    Examples
    --------
    >>> from pathlib import Path
    >>> url_or_path(Path("https://host/slide.ome.zarr"))
    'https://host/slide.ome.zarr'
    """
    found = _ADDRESS.match(path.as_posix())
    return str(path) if found is None else f"{found[1].lower()}://{found[2]}"

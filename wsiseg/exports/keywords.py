"""The settings of exports as typed keywords, which editors complete.

Names and types are those of the options of all formats, with which a test compares them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypedDict


class ExportKeywords(TypedDict, total=False):
    """Keywords of :func:`wsiseg.export`."""

    classes: tuple[str, ...] | list[str] | str | None
    objects: Literal["annotation", "detection"]
    simplify: float | str | None
    min_area: float | str | None
    measurements: tuple[str, ...] | list[str] | str
    coordinates: Literal["bounds", "level0"]
    size: int | None
    slide: Path | str | None
    opacity: float
    segmentation: Literal["labelmap", "binary"]

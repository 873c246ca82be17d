"""The settings of measurements as typed keywords, which editors complete.

Names and types are those of :class:`wsiseg.measurements.options.MeasureOptions`, with which a test
compares them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypedDict


class MeasureKeywords(TypedDict, total=False):
    """Keywords of :func:`wsiseg.measure`."""

    regions: str | Path | None
    components: bool
    every: float | str | None
    classes: tuple[str, ...] | list[str] | str | None
    coordinates: Literal["level0", "bounds"]
    format: Literal["csv", "parquet", "json"]

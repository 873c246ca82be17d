"""The settings of post-processing as typed keywords, which editors complete.

Names and types are those of :class:`wsiseg.refining.options.RefineOptions`, with which a test
compares them.
"""

from __future__ import annotations

from typing import TypedDict


class RefineKeywords(TypedDict, total=False):
    """Keywords of :func:`wsiseg.refine`."""

    threshold: dict[str, float] | list[str] | str | None
    smooth: float | str | None
    fill_holes: dict[str, float] | dict[str, str] | list[str] | float | str | None
    min_area: float | str | None

"""All published figures by architecture."""

from __future__ import annotations

from wsiseg.models.published import espnets, multi_branch, single_branch
from wsiseg.models.published.figure import Figure

_FIGURES = espnets.FIGURES | single_branch.FIGURES | multi_branch.FIGURES


def list_figures(name: str) -> tuple[Figure, ...]:
    """Return what has been published about an architecture, nothing for one unknown here."""
    return _FIGURES.get(name, ())

"""All published figures by architecture."""

from __future__ import annotations

from wsiseg.models.published import espnets, several_branches, single_branch
from wsiseg.models.published.figure import Figure

_FIGURES = espnets.FIGURES | single_branch.FIGURES | several_branches.FIGURES


def list_figures(name: str) -> tuple[Figure, ...]:
    """Return what has been published about an architecture, nothing for one unknown here."""
    return _FIGURES.get(name, ())

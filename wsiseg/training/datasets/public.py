"""The public data sets that are known by name."""

from __future__ import annotations

import difflib

from wsiseg.errors import ArgumentError
from wsiseg.training.datasets.camvid import CamVid
from wsiseg.training.datasets.cityscapes import Cityscapes
from wsiseg.training.datasets.layout import Layout
from wsiseg.training.datasets.mapillary import Mapillary
from wsiseg.training.datasets.voc import Voc

LAYOUTS: tuple[Layout, ...] = (CamVid(), Cityscapes(), Voc(), Mapillary())
"""One of each; a new set is a file beside this one and an entry here."""


def find_layout(name: str) -> Layout:
    """Return the layout of the set called `name`.

    Raises
    ------
    ArgumentError
        If there is none; a name near by is suggested.
    """
    known = {layout.name: layout for layout in LAYOUTS}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    raise ArgumentError(
        f"there is no data set {name!r}",
        "`dataset`",
        f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}.",
    )

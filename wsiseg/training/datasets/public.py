"""The public data sets that are known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsiseg.registry import Registry

if TYPE_CHECKING:
    from wsiseg.training.datasets.layout import Layout

LAYOUTS: Registry[Layout] = Registry(
    "data set",
    "wsiseg.datasets",
    {
        "camvid": "wsiseg.training.datasets.camvid:LAYOUT",
        "cityscapes": "wsiseg.training.datasets.cityscapes:LAYOUT",
        "voc": "wsiseg.training.datasets.voc:LAYOUT",
        "mapillary": "wsiseg.training.datasets.mapillary:LAYOUT",
    },
)
"""By name; a new set is a file beside this one and an entry here."""

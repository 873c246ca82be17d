"""Normalisation of CGNet and DABNet: pixels from 0 to 255 minus each channel's mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from wsiseg.models.normalisation import Normalisation

MEANS = {
    "cityscapes": (72.39239876, 82.90891754, 73.15835921),
    "camvid": (105.65775299072266, 103.329833984375, 99.62540435791016),
}
"""Of blue, green and red, in the numbers of both groups of authors."""


def subtract_mean(order: Literal["RGB", "BGR"]) -> Mapping[str, Normalisation]:
    """Return normalisations by data set that subtract the means from channels in an order."""
    return {
        dataset: Normalisation(order=order, mean=mean, std=(1.0, 1.0, 1.0), divide_first=1.0)
        for dataset, mean in MEANS.items()
    }

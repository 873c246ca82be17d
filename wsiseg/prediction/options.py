"""The settings of :func:`wsiseg.predict`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wsiseg.models.runtimes.options import ComputeOptions
from wsiseg.segmentation.options import (
    ForceOptions,
    ScaleOptions,
    SegmentOptions,
    TileOptions,
)
from wsiseg.settings import Option


class PredictOptions(ComputeOptions, TileOptions, ScaleOptions, ForceOptions):
    """Settings of :func:`wsiseg.predict`.

    Pictures are looked at as they are, or at the scale that the checkpoint was trained at; those
    whose µm per pixel are known, at its µm per pixel.
    """

    opacity: Annotated[
        float,
        Field(ge=0, le=1, description="Opacity of the class colours over the picture, 0 to 1."),
        Option("Output", metavar="SHARE"),
    ] = 0.5

    @property
    def segment(self) -> SegmentOptions:
        """How pixels are labelled."""
        shared = PredictOptions.model_fields.keys() & SegmentOptions.model_fields.keys()
        # Which plane is worked on is chosen for each picture.
        names = shared - {"mpp", "slide_mpp", "override_mpp"}
        return SegmentOptions(tissue="none", **{name: getattr(self, name) for name in names})

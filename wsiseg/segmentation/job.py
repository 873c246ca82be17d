"""The job of one slide: what all of its steps share and none of them changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.fastest import FastChoice
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Plan
from wsiseg.store.metadata import Placement
from wsiseg.store.outputs import OutputFiles
from wsiseg.tiling.slides import Slide


class Companions(TypedDict):
    """Stores beside a mask."""

    probabilities: Path | None
    uncertainty: Path | None


@dataclass(frozen=True)
class Job:
    """What to do with one slide.

    Attributes
    ----------
    slide : Slide
        Open.
    predictor : Predictor
        The checkpoint and its runtime.
    options : SegmentOptions
        The user's settings.
    plan : Plan
        Resolution, tiles and memory, as they follow from the settings for this slide.
    files : OutputFiles
        Where the results go.
    fast : FastChoice or None
        How the precision was chosen, where the user left that to us.
    """

    slide: Slide
    predictor: Predictor
    options: SegmentOptions
    plan: Plan
    files: OutputFiles
    fast: FastChoice | None = None

    @property
    def placement(self) -> Placement:
        """Where the working plane lies on the slide."""
        return Placement(self.plan.plane.mpp, self.plan.plane.slide_scale)

    @property
    def pyramids(self) -> dict[str, Path]:
        """The groups with levels that the run leaves, by what they hold."""
        found = {
            "mask": self.files.mask,
            "image": self.files.store if self.options.with_image else None,
            "probabilities": self.companions["probabilities"],
            "uncertainty": self.companions["uncertainty"],
        }
        return {name: path for name, path in found.items() if path is not None}

    @property
    def companions(self) -> Companions:
        """The stores beside the mask, by what they hold; None for what is not kept."""
        files, options = self.files, self.options
        return {
            "probabilities": files.probabilities if options.probabilities else None,
            "uncertainty": None if options.uncertainty is None else files.uncertainty,
        }

"""The job of one slide: what all of its steps share and none of them changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict

from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.disk_need import DiskNeed, find_disk_need
from wsiseg.segmentation.fastest import FastChoice
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Plan
from wsiseg.store.metadata import Placement
from wsiseg.store.outputs import OutputFiles
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile
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

    @cached_property
    def disk_need(self) -> DiskNeed:
        """The disk space that the output takes, and what was free before."""
        plan = self.plan
        return find_disk_need(
            self.options,
            self.files,
            analysed=plan.blocks.area,
            whole=plan.plane.box.area,
            tissue=0 if plan.tissue is None else min(plan.tissue.pixels, plan.blocks.area),
            classes=plan.classes,
            tiles=len(plan.cover.tiles),
        )

    def tiles_of(self, box: Box) -> list[Tile]:
        """Return the tiles that can change a part of the plane, in the order they are done in."""
        return self.plan.cover.reaching(box, whole=self.options.blend != "crop")

    @property
    def pyramids(self) -> dict[str, Path]:
        """The groups with levels that the run leaves, by what they hold."""
        return pyramids_of(self.files, self.options)

    @property
    def companions(self) -> Companions:
        """The stores beside the mask, by what they hold; None for what is not kept."""
        return companions_of(self.files, self.options)


def companions_of(files: OutputFiles, options: SegmentOptions) -> Companions:
    """Return the stores beside a mask, by what they hold; None for what is not kept.

    Parameters
    ----------
    files : OutputFiles
        Where the results go.
    options : SegmentOptions
        What is kept.
    """
    return {
        "probabilities": files.probabilities if options.probabilities else None,
        "uncertainty": None if options.uncertainty is None else files.uncertainty,
    }


def pyramids_of(files: OutputFiles, options: SegmentOptions) -> dict[str, Path]:
    """Return the groups with levels that a run leaves, by what they hold.

    Parameters
    ----------
    files : OutputFiles
        Where the results go.
    options : SegmentOptions
        What is kept.
    """
    companions = companions_of(files, options)
    found = {
        "mask": files.mask,
        "image": files.store if options.with_image else None,
        "probabilities": companions["probabilities"],
        "uncertainty": companions["uncertainty"],
    }
    return {name: path for name, path in found.items() if path is not None}

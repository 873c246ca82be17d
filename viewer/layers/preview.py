"""The preview of a run: tiles that appear while it goes, and a count of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from zarr.types import AnyArray

from wsiseg.segmentation.job import Job
from wsiseg.segmentation.listener import Listener
from wsiseg.tiling.bands import NO_LABEL, Prediction
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile
from wsiseg.tiling.regions import Regions
from wsiseg.viewer.layers.layer_data import MASK_OPACITY, LayerData, SlideView, label_look
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.plain_text import plain

LARGEST_PREVIEW = 2048
"""Edge of a preview of a whole slide, at most."""

Report = Callable[[object], None]
"""Hears how a run goes: text, a :class:`Preview`, :class:`TileProgress`.

Raises :class:`wsiseg.viewer.worker.Cancelled` once the user has cancelled.
"""


@dataclass(frozen=True)
class TileProgress:
    """How far a run is.

    Attributes
    ----------
    tiles, wanted : int
        Done, and in all.
    pixels : int
        Working pixels that they settled.
    seconds : float
        Since the first tile began.
    """

    tiles: int
    wanted: int
    pixels: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        done = f"{self.tiles} of {self.wanted} tiles"
        if not (self.tiles and self.seconds):
            return done
        rate = self.pixels / 1e6 / self.seconds
        left = math.ceil(self.seconds / self.tiles * (self.wanted - self.tiles))
        return f"{done}, {rate:.1f} Mpx/s, {left // 60}:{left % 60:02d} left"


class Preview:
    """What is labelled so far, at full size or every so many pixels.

    The thread that works fills it, the event loop looks at it.

    Parameters
    ----------
    part : RegionView
        What is labelled.
    regions : Regions, optional
        Outside of which nothing is shown.
    step : int
        Every so many pixels are shown.
    levels : int
        How many its layer has: what is shown in the end may be a pyramid, and napari makes none
        of a layer that was not one from the start.
    """

    def __init__(
        self, part: RegionView, regions: Regions | None = None, step: int = 1, levels: int = 1
    ) -> None:
        self._part = part
        self._regions = regions
        self._step = step
        self._levels = levels
        shape = [math.ceil(side / step) for side in part.box.shape]
        self.labels = np.full(shape, NO_LABEL, np.uint8)
        self.changes = 0

    def put(self, tile: Tile, prediction: Prediction) -> None:
        """Show a tile, without its halo.

        Parameters
        ----------
        tile : Tile
            Its core is shown.
        prediction : Prediction
            Of the whole tile, halo included.
        """
        place = tile.core.intersection(self._part.box)
        labels = prediction.most_likely()[place.slices_in(tile.box)]
        if self._regions is not None:
            labels = np.where(self._regions.rasterise(place), labels, np.uint8(NO_LABEL))
        self._fill(place, labels, Box(0, 0, *labels.shape))
        self.changes += 1

    def recall(self, box: Box, labels: AnyArray) -> None:
        """Show what an interrupted run left; no more of it is read than is shown.

        Parameters
        ----------
        box : Box
            In working pixels.
        labels : zarr.Array
            uint8 ``(H, W)``, of the whole plane.
        """
        self._fill(box, labels, box)
        self.changes += 1

    def _fill(self, place: Box, labels: Any, inside: Box) -> None:
        """Show a place of the plane, whose labels lie in a box of an array."""
        step = self._step
        down, right = place.y - self._part.box.y, place.x - self._part.box.x
        seen = labels[
            inside.y + -down % step : inside.bottom : step,
            inside.x + -right % step : inside.right : step,
        ]
        top, left = math.ceil(down / step), math.ceil(right / step)
        self.labels[top : top + seen.shape[0], left : left + seen.shape[1]] = seen

    def layer(self) -> LayerData:
        """Return a labels layer of the preview, which fills further."""
        settings = {
            "name": plain(f"{self._part.slide.slide.name} so far"),
            "opacity": MASK_OPACITY,
            **self._part.placing(self._step),
            **label_look(self._part.classes),
        }
        levels = [self.labels[:: 2**level, :: 2**level] for level in range(self._levels)]
        return (levels if self._levels > 1 else self.labels), settings, "labels"


class RunListener(Listener):
    """Reports the progress of a run to the window.

    Parameters
    ----------
    report : callable
        See :data:`Report`.
    view : SlideView
        The slide.
    notes : list of str
        What was assumed or left out; grows.
    """

    def __init__(self, report: Report, view: SlideView, notes: list[str]) -> None:
        self.notes = notes
        self._report = report
        self._view = view
        self._preview: Preview | None = None
        self._stage = ""
        self._progress = TileProgress(0, 0)
        self._start = 0.0

    def show(self, preview: Preview) -> None:
        """Begin a preview."""
        self._preview = preview
        self._report(preview)

    def planned(self, job: Job) -> None:
        """Begin a preview of the whole slide."""
        plane, classes = job.plan.plane, job.predictor.checkpoint.classes
        whole = RegionView(self._view, plane, plane.box, dict(enumerate(classes)))
        step = math.ceil(max(plane.box.shape) / LARGEST_PREVIEW)
        self.show(Preview(whole, step=step, levels=2))

    def began(self, stage: str) -> None:
        """Pass it on."""
        self._stage = stage
        self._report(stage)

    def heartbeat(self) -> None:
        """Report the stage again, at which the run may be cancelled."""
        self._report(self._stage)

    def searched(self, share: float) -> None:
        """Report how far the search is, at which the run may be cancelled."""
        self._report(f"looking for tissue: {share:.0%}")

    def resumed(self, box: Box, labels: AnyArray) -> None:
        """Put what an interrupted run left into the preview.

        Parameters
        ----------
        box : Box
            In working pixels.
        labels : zarr.Array
            uint8 ``(H, W)``, of the whole plane.
        """
        self.heartbeat()
        if self._preview is not None:
            self._preview.recall(box, labels)

    def expects(self, tiles: int) -> None:
        """Begin to count."""
        self._progress, self._start = TileProgress(0, tiles), time.monotonic()
        self._report(self._progress)

    def labelled(self, tile: Tile, prediction: Prediction) -> None:
        """Put a tile into the preview.

        Parameters
        ----------
        tile : Tile
            Its core is shown.
        prediction : Prediction
            Of the whole tile, halo included.
        """
        if self._preview is not None:
            self._preview.put(tile, prediction)

    def advanced(self, pixels: int) -> None:
        """Count."""
        before = self._progress
        self._progress = TileProgress(
            before.tiles + 1,
            before.wanted,
            before.pixels + pixels,
            time.monotonic() - self._start,
        )
        self._report(self._progress)

    def warned(self, text: str) -> None:
        """Note it."""
        self.notes.append(text)

"""Who wants to know how a run goes."""

from __future__ import annotations

from pathlib import Path

from zarr.types import AnyArray

from wsiseg.segmentation.job import Job
from wsiseg.store.disk import Json
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile
from wsiseg.tiling.stitching import Prediction


class Listener:
    """Hears how a run goes, from the thread that runs; this one does nothing."""

    def planned(self, job: Job) -> None:
        """Hear what will be done."""

    def began(self, stage: str) -> None:
        """Hear that something began that may take a while, other than tiles."""

    def heartbeat(self) -> None:
        """Hear now and then that what began goes on; raising ends it."""

    def searched(self, share: float) -> None:
        """Hear how much of a slide has been searched for tissue; raising ends it."""

    def resumed(self, box: Box, labels: AnyArray) -> None:
        """Hear of a band that an interrupted run left, and where its labels are on the disk."""

    def expects(self, tiles: int) -> None:
        """Hear how many tiles will be done; some of them twice, where stripes meet."""

    def labelled(self, tile: Tile, prediction: Prediction) -> None:
        """Hear what the network says of a tile, its halo included."""

    def advanced(self, pixels: int) -> None:
        """Hear that one more tile is done, and how many working pixels it settles."""

    def warned(self, text: str) -> None:
        """Hear of something that was left out or assumed."""

    def finished(self, summary: Json) -> None:
        """Hear that a slide is done."""

    def failed(self, path: Path, error: Exception) -> None:
        """Hear that a slide failed and the next one begins."""

"""Callbacks that a run calls as it goes: subclass :class:`Listener` and override its methods."""

from __future__ import annotations

from pathlib import Path

from zarr.types import AnyArray

from wsiseg.segmentation.job import Job
from wsiseg.store.disk import Json
from wsiseg.tiling.bands import Prediction
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile


class Listener:
    """Receives the events of a run, in the thread that runs it; this one ignores them all.

    Override the methods of the events that you need.

    Examples
    --------
    >>> class Printer(Listener):
    ...     def warned(self, text: str) -> None:
    ...         print(f"warning: {text}")
    >>> Printer().warned("tile 3 at y=0, x=1024 is not analysed")
    warning: tile 3 at y=0, x=1024 is not analysed
    """

    def turned_to(self, path: Path, number: int, total: int) -> None:
        """Receive which slide of a cohort is next, before it is opened.

        Parameters
        ----------
        path : Path
            The slide.
        number, total : int
            Which it is of how many, counted from 1.
        """

    def planned(self, job: Job) -> None:
        """Receive the plan of a slide, before its first tile."""

    def began(self, stage: str) -> None:
        """Receive the name of a stage other than tiles that begins and may take a while."""

    def heartbeat(self) -> None:
        """Receive a sign, now and then, that a stage is still running; raising cancels the run."""

    def searched(self, share: float) -> None:
        """Receive the share of a slide, 0 to 1, searched for tissue; raising cancels the search."""

    def resumed(self, box: Box, labels: AnyArray) -> None:
        """Receive a band that an interrupted run has finished.

        Parameters
        ----------
        box : Box
            The band, in working pixels.
        labels : zarr.Array
            uint8 ``(H, W)``: level 0 of the mask, in which the band is on disk.
        """

    def expects(self, tiles: int) -> None:
        """Receive the number of tiles to do; those where column stripes meet count twice."""

    def labelled(self, tile: Tile, prediction: Prediction) -> None:
        """Receive the network's output for a tile.

        Parameters
        ----------
        tile : Tile
            Its place in the grid.
        prediction : Prediction
            Labels and probabilities of the whole tile, halo included.
        """

    def advanced(self, pixels: int) -> None:
        """Receive the working pixels that one more tile has finished."""

    def warned(self, text: str) -> None:
        """Receive a sentence on something that was left out or assumed."""

    def finished(self, run: Json) -> None:
        """Receive the content of the run file of a slide that is done.

        Its ``summary`` is the slide's entry of ``wsiseg segment --json``.
        """

    def failed(self, path: Path, error: Exception) -> None:
        """Receive the error of a slide that failed; the next slide follows.

        Parameters
        ----------
        path : Path
            The slide.
        error : Exception
            A WsisegError, or anything unexpected.
        """

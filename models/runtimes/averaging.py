"""Averaging over orientations: a network looks at each tile turned and mirrored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.models.orientations import Orientation
from wsiseg.models.outputs import NO_LABEL, Output
from wsiseg.models.runtimes.runtime import Bytes, Runtime, RuntimeSettings, TileRunner

Shares = npt.NDArray[np.floating[Any]]

SHARE_BYTES = 8 + 4 + 4
"""Per class of a pixel: the sum, what an orientation adds to it, and the runtime's own copy."""


class AveragingRunner(TileRunner):
    """Runs a network on tiles in several orientations, and averages the probabilities.

    Each orientation passes through the network by itself, so that the network takes no more memory
    than for one.  What it gives, float32, is turned back and summed as float64, which is exact for
    so few numbers: the mean does not depend on their order, and that of equal ones is the same.
    Only then is anything rounded.

    Parameters
    ----------
    runtimes : mapping of tuple to Runtime
        By the tile's ``(height, width)``: one that gives shares for it as it is, and one for it
        turned by 90° if that is another shape and among the orientations.
    settings : RuntimeSettings
        Of the tiles as they are.
    orientations : sequence of Orientation
        In which the network sees each tile.
    outputs : tuple of {"labels", "probabilities"}
        What :meth:`run` gives.
    """

    def __init__(
        self,
        runtimes: Mapping[tuple[int, int], Runtime],
        settings: RuntimeSettings,
        orientations: Sequence[Orientation],
        outputs: tuple[Output, ...],
    ) -> None:
        self._runtimes = runtimes
        self._orientations = orientations
        self.settings = settings
        self.outputs = outputs

    @property
    def notes(self) -> tuple[str, ...]:
        """What its runtimes had to do otherwise; see :class:`.TileRunner`."""
        return tuple(dict.fromkeys(n for each in self._runtimes.values() for n in each.notes))

    def run(self, tiles: Bytes) -> dict[str, npt.NDArray[Any]]:
        """Segment a batch; see :meth:`wsiseg.models.runtimes.Runtime.run`."""
        first, *others = self._orientations
        mean = self._shares(tiles, first).astype(np.float64)
        for orientation in others:
            mean += self._shares(tiles, orientation)
        mean /= len(self._orientations)
        finite = np.isfinite(mean[:, 0])
        return {
            output: _most_likely(mean, finite) if output == "labels" else _as_bytes(mean, finite)
            for output in self.outputs
        }

    def _shares(self, tiles: Bytes, orientation: Orientation) -> Shares:
        """Return the probabilities for tiles that are seen in an orientation, turned back."""
        turned = orientation.turn_tiles(tiles)
        height, width = turned.shape[1:3]
        shares: Shares = self._runtimes[height, width].run(turned)["shares"]
        return orientation.turn_back(shares)


def _most_likely(shares: Shares, finite: npt.NDArray[np.bool_]) -> Bytes:
    """Return the index of the largest share, the first where several are; 255 if not finite.

    Class by class it is several times as fast as ``argmax(axis=1)``.
    """
    labels = np.zeros(finite.shape, np.uint8)
    best = shares[:, 0].copy()
    for index in range(1, shares.shape[1]):
        labels[shares[:, index] > best] = index
        np.maximum(best, shares[:, index], out=best)
    labels[~finite] = NO_LABEL
    return labels


def _as_bytes(shares: Shares, finite: npt.NDArray[np.bool_]) -> Bytes:
    found = np.empty(shares.shape, np.uint8)
    for index in range(shares.shape[1]):
        # As float32, like what is not averaged.
        plane = np.where(finite, shares[:, index], 0).astype(np.float32)
        found[:, index] = np.rint(plane * np.float32(255))
    return found

"""The eight orientations of a picture: turned by 90° and mirrored."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Orientation:
    """One way to turn a picture: rows and columns change places first, then they are mirrored.

    Attributes
    ----------
    transposed : bool
        Whether rows and columns change places.
    upside_down : bool
        Whether the order of the rows is reversed.
    mirrored : bool
        Whether the order of the columns is reversed.

    Examples
    --------
    >>> quarter = Orientation(transposed=True, upside_down=True)
    >>> picture = np.array([[1, 2, 3], [4, 5, 6]])
    >>> turned = quarter.turn(picture)
    >>> turned.tolist()
    [[3, 6], [2, 5], [1, 4]]
    >>> quarter.turn_back(turned).tolist()
    [[1, 2, 3], [4, 5, 6]]
    """

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    def turn(self, pictures: Array) -> Array:
        """Turn pictures, ``(..., H, W)``."""
        return self._mirror(pictures.swapaxes(-2, -1) if self.transposed else pictures)

    def turn_back(self, pictures: Array) -> Array:
        """Undo :meth:`turn`."""
        mirrored = self._mirror(pictures)
        return mirrored.swapaxes(-2, -1) if self.transposed else mirrored

    def turn_tiles(self, tiles: Array) -> Array:
        """Turn tiles, ``(B, H, W, 3)``; in memory they are as any other tiles."""
        return np.ascontiguousarray(np.moveaxis(self.turn(np.moveaxis(tiles, -1, 0)), 0, -1))

    def _mirror(self, pictures: Array) -> Array:
        rows = slice(None, None, -1 if self.upside_down else 1)
        columns = slice(None, None, -1 if self.mirrored else 1)
        return pictures[..., rows, columns]


ORIENTATIONS = tuple(itertools.starmap(Orientation, itertools.product((False, True), repeat=3)))
"""All eight, the one that changes nothing first, and the four that keep height and width before
those that exchange them."""


class Turnable(Protocol):
    """What knows whether it may see pictures turned by 90°: a network, or its checkpoint."""

    @property
    def turnable(self) -> bool:
        """Whether it may."""


def orientations_of(network: Turnable) -> tuple[Orientation, ...]:
    """Return the orientations in which a network may see a picture: eight, or four.

    Parameters
    ----------
    network : SegmentationNetwork or Checkpoint
        Its `turnable` decides.
    """
    return tuple(each for each in ORIENTATIONS if network.turnable or not each.transposed)

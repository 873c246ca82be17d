"""What a format for networks is: a file that runs without this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from wsiseg.models.tile_network import TileNetwork

Bytes = npt.NDArray[np.uint8]

INPUT = "tiles"
"""Name of the graph's input: uint8 ``(B, H, W, 3)``, RGB."""


class ModelFormat(ABC):
    """A format in which a network leaves this package.

    The graph takes RGB as it is and gives labels and probabilities, see
    :class:`wsiseg.models.tile_network.TileNetwork`; its batch and tile are those of the example.
    """

    title: ClassVar[str]
    """What it is, for help texts."""
    suffix: ClassVar[str]
    """Ending of its file, which others of the same stem may accompany."""
    packages: ClassVar[tuple[str, ...]]
    """What has to be installed to write and to check it."""
    extra: ClassVar[str | None] = None
    """The extra of ours that brings these packages."""

    @staticmethod
    @abstractmethod
    def write(
        network: TileNetwork, example: Bytes, path: Path, metadata: Mapping[str, str]
    ) -> None:
        """Write a network.

        Parameters
        ----------
        network : TileNetwork
            In evaluation mode, without gradients.
        example : ndarray
            uint8 ``(B, H, W, 3)``: a batch of the shape that the file will take.
        path : Path
            The file.
        metadata : mapping of str to str
            What a stranger needs to know of it.
        """

    @staticmethod
    @abstractmethod
    def run(path: Path, tiles: Bytes) -> dict[str, Bytes]:
        """Run a file on a batch; see :meth:`wsiseg.models.runtimes.Runtime.run`.

        Parameters
        ----------
        path : Path
            What :meth:`write` has written.
        tiles : ndarray
            uint8 ``(B, H, W, 3)``, of the example's shape.
        """

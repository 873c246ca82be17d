"""What executes a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from wsiseg.models.tile_network import TileNetwork

Bytes = npt.NDArray[np.uint8]
Precision = Literal["fp32", "fp16", "bf16"]


@dataclass(frozen=True)
class RuntimeSettings:
    """How a runtime executes a network.

    Attributes
    ----------
    batch : int
        Tiles at a time.
    tile : tuple of int
        ``(height, width)`` of every tile.
    device : str
        ``"cpu"``, ``"cuda:0"``, ``"mps"``, ….
    precision : {"fp32", "fp16", "bf16"}
        Number format inside the network.
    threads : int
        CPU threads.
    """

    batch: int
    tile: tuple[int, int]
    device: str
    precision: Precision
    threads: int


class Runtime(ABC):
    """A network made ready for tiles of one shape.

    Parameters
    ----------
    network : TileNetwork
        What to execute.
    settings : RuntimeSettings
        How.
    """

    name: str
    """What users type after ``--runtime``."""

    def __init__(self, network: TileNetwork, settings: RuntimeSettings) -> None:
        self.settings = settings
        self.outputs = network.outputs

    @abstractmethod
    def run(self, tiles: Bytes) -> dict[str, Bytes]:
        """Segment a batch.

        Parameters
        ----------
        tiles : ndarray
            uint8 ``(batch, H, W, 3)``, RGB; batch and size as in the settings.

        Returns
        -------
        dict
            ``labels``, uint8 ``(batch, H, W)``, and ``probabilities``, uint8
            ``(batch, classes, H, W)``, as far as the network gives them.
        """

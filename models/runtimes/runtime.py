"""The interface of a runtime: it executes one network on tiles of one shape."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from wsiseg.models.outputs import RawOutput
from wsiseg.models.runtimes.cache import Json

if TYPE_CHECKING:
    from wsiseg.models.tile_network import TileNetwork

Bytes = npt.NDArray[np.uint8]
Precision = Literal["fp32", "fp16", "bf16", "int8"]


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
    precision : {"fp32", "fp16", "bf16", "int8"}
        Number format inside the network.
    threads : int
        CPU threads.
    """

    batch: int
    tile: tuple[int, int]
    device: str
    precision: Precision
    threads: int


class TileRunner(ABC):
    """Takes batches of tiles of one shape through a network.

    Attributes
    ----------
    settings : RuntimeSettings
        Batch, tile, device, precision and threads.
    outputs : tuple of str
        What :meth:`run` gives.
    """

    settings: RuntimeSettings
    outputs: tuple[RawOutput, ...]

    @abstractmethod
    def run(self, tiles: Bytes) -> dict[str, npt.NDArray[Any]]:
        """Segment a batch.

        Parameters
        ----------
        tiles : ndarray
            uint8 ``(batch, H, W, 3)``, RGB; batch and size as in the settings.

        Returns
        -------
        dict
            ``labels``, uint8 ``(batch, H, W)``, ``probabilities``, uint8, and ``shares``, float32
            ``(batch, classes, H, W)``, as far as the network gives them.
        """


class Runtime(TileRunner):
    """A network compiled for tiles of one shape.

    Parameters
    ----------
    network : TileNetwork
        What to execute.
    settings : RuntimeSettings
        Batch, tile, device, precision and threads.
    """

    name: ClassVar[str]
    """What users type after ``--runtime``."""
    packages: ClassVar[tuple[str, ...]]
    """What has to be installed."""
    extra: ClassVar[str | None] = None
    """The extra of ours that brings these packages."""
    devices: ClassVar[tuple[str, ...]]
    """The kinds of device that it runs on: ``"cpu"``, ``"cuda"``, ``"mps"``, …."""
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "bf16")
    """What it knows at all; whether a device computes in it shows when it is made."""

    def __init__(self, network: TileNetwork, settings: RuntimeSettings) -> None:
        self.settings = settings
        self.outputs = network.outputs

    def dump(self) -> bytes | None:
        """Return what :meth:`restore` makes the same runtime of; None where nothing does.

        It is asked for once, right after the network was compiled.
        """
        return None

    @classmethod
    def restore(
        cls, content: bytes, outputs: tuple[RawOutput, ...], settings: RuntimeSettings
    ) -> Self:
        """Return a runtime as it was when it was dumped, without its network and without PyTorch.

        Parameters
        ----------
        content : bytes
            What :meth:`dump` returned, on the same hardware and under the same versions.
        outputs : tuple of str
            What the network gives.
        settings : RuntimeSettings
            With which it was compiled.
        """
        raise NotImplementedError

    def graph(self) -> bytes | None:
        """Return what :meth:`from_graph` compiles for tiles of any shape; None where nothing does.

        It is asked for once, right after the network was compiled.
        """
        return None

    @classmethod
    def from_graph(
        cls, content: bytes, outputs: tuple[RawOutput, ...], settings: RuntimeSettings
    ) -> Self:
        """Return a runtime for tiles of another shape, without its network and without PyTorch.

        Parameters
        ----------
        content : bytes
            What :meth:`graph` returned, in the same precision and under the same versions.
        outputs : tuple of str
            What the network gives.
        settings : RuntimeSettings
            With which it is to be compiled.
        """
        raise NotImplementedError

    @classmethod
    def versions(cls) -> dict[str, Json]:
        """Return the versions of what a graph is made with."""
        found: dict[str, Json] = {}
        for package in ("torch", *cls.packages):
            # A module is not always called like what brings it.
            with suppress(PackageNotFoundError):
                found[package] = version(package)
        return found

    @classmethod
    def hardware(cls, settings: RuntimeSettings) -> Json:
        """Return what of this machine a compiled network depends on, besides its settings."""
        return None

    @classmethod
    def is_installed(cls) -> bool:
        """Tell whether it can be used in this environment."""
        return all(importlib.util.find_spec(name) is not None for name in cls.packages)

    @classmethod
    def bytes_per_pixel(cls, network: TileNetwork, choice: RuntimeSettings) -> float:
        """Return what a compiled network holds per pixel of a batch, in bytes, weights aside.

        Parameters
        ----------
        network : TileNetwork
            In evaluation mode.
        choice : RuntimeSettings
            Device, precision and threads; any tile.
        """
        from wsiseg.models.profiling import activation_bytes_per_pixel

        return activation_bytes_per_pixel(network.network)

    @classmethod
    def runs_on(cls, device: str) -> bool:
        """Tell whether it runs on a device, ``"cuda:1"`` for instance."""
        return device.partition(":")[0] in cls.devices

    @classmethod
    def fast_precisions(cls, device: str) -> tuple[Precision, ...]:
        """Return the precisions that a device computes in faster than in fp32, without emulation.

        Parameters
        ----------
        device : str
            One that it runs on.
        """
        return ()

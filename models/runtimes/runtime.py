"""The interface of a runtime: it executes one network on tiles of one shape."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar, Literal

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


class Running(ABC):
    """A batch on its way through a network."""

    @abstractmethod
    def result(self) -> dict[str, npt.NDArray[Any]]:
        """Wait until it is through, and return what :meth:`TileRunner.run` would have returned.

        Raises
        ------
        Exception
            What the runtime stumbled over since the batch was started.
        """


@dataclass(frozen=True)
class Finished(Running):
    """A batch that is through.

    Attributes
    ----------
    outputs : dict
        What :meth:`result` returns.
    """

    outputs: dict[str, npt.NDArray[Any]]

    def result(self) -> dict[str, npt.NDArray[Any]]:
        """Return the outputs; see :meth:`Running.result`."""
        return self.outputs


class TileRunner(ABC):
    """Takes batches of tiles of one shape through a network.

    Attributes
    ----------
    settings : RuntimeSettings
        Batch, tile, device, precision and threads.
    outputs : tuple of str
        What :meth:`run` gives.
    batches_ahead : int
        How many batches to start before the result of an earlier one is waited for, so that the
        device works while that one is stitched; 0 for a runner that works in :meth:`start`.
    takes_fewer : bool
        Whether a batch may have fewer tiles than the settings say.
    """

    settings: RuntimeSettings
    outputs: tuple[RawOutput, ...]
    batches_ahead: int = 0
    takes_fewer: ClassVar[bool] = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What it had to do otherwise than was asked for, one sentence each."""
        return ()

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

    def start(self, tiles: Bytes) -> Running:
        """Start a batch, and return before it is through where the device works by itself.

        Parameters
        ----------
        tiles : ndarray
            As for :meth:`run`; may be changed as soon as this returns.
        """
        return Finished(self.run(tiles))


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
    def check_device(cls, device: str) -> None:
        """Refuse a device that is there, but not for what is installed of this runtime.

        Parameters
        ----------
        device : str
            As in the settings.

        Raises
        ------
        RuntimeUnavailableError
            With what to install.
        """
        return

    @classmethod
    def auto_precision(cls, device: str) -> Precision:
        """Return the precision that is taken where none is asked for: fp32 on CPUs.

        So that a slide has the same mask on every machine without a GPU.

        Parameters
        ----------
        device : str
            As in the settings.
        """
        return "fp32"

    @classmethod
    def wide_precision(cls, device: str) -> Precision:
        """Return the fastest precision that has the range of fp32.

        Parameters
        ----------
        device : str
            As in the settings.
        """
        return "fp32"

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

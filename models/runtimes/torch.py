"""PyTorch as the runtime: on every machine, and on GPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.models.cloning import clone
from wsiseg.models.runtimes.cuda import CAPTURE, Capture, CudaPipeline
from wsiseg.models.runtimes.device_memory import is_out_of_memory
from wsiseg.models.runtimes.narrowing import DTYPES, narrow
from wsiseg.models.runtimes.runtime import Bytes, Precision, Running, Runtime, RuntimeSettings
from wsiseg.models.tile_network import TileNetwork

T = TypeVar("T")

_FP16_CORES, _BF16_CORES = (7, 0), (8, 0)
"""Compute capability of the first GPUs of NVIDIA with units for these formats."""


class Executor(Protocol):
    """Takes up to as many tiles as it was made for through a network at a time."""

    note: str | None
    """What it had to do otherwise than was asked for."""

    def start(self, tiles: Bytes) -> Running:
        """Start a batch; see :meth:`.TileRunner.start`."""
        ...

    def close(self) -> None:
        """Let go of the device's memory; batches that were started keep their results."""
        ...


class TorchRuntime(Runtime):
    """A network executed by PyTorch.

    A batch that the device's memory does not hold is computed in halves, in quarters, ….

    Parameters
    ----------
    network : TileNetwork
        What to execute.
    settings : RuntimeSettings
        Batch, tile, device, precision and threads.
    capture : {"graph", "compile", "eager"}
        How a CUDA GPU is told what to do.

    Raises
    ------
    RuntimeUnavailableError
        If PyTorch does not see the device.
    """

    name = "torch"
    packages = ("torch",)
    devices = ("cpu", "cuda", "mps")
    takes_fewer = True

    def __init__(
        self, network: TileNetwork, settings: RuntimeSettings, capture: Capture = CAPTURE
    ) -> None:
        super().__init__(network, settings)
        self._device = find_device(settings.device)
        if self._device.type == "cpu":
            torch.set_num_threads(settings.threads)
        else:
            self.batches_ahead = 1
        self._network = _placed(network, self._device, settings.precision)
        self._capture = capture
        self._size = settings.batch
        self._executor: Executor | None = None
        self._within_memory(self._prepared)

    @classmethod
    def auto_precision(cls, device: str) -> Precision:
        """Return fp16 for a GPU that is made for it; see :meth:`.Runtime.auto_precision`.

        Parameters
        ----------
        device : str
            As in the settings.
        """
        kind = device.partition(":")[0]
        if kind == "cuda":
            return "fp16" if torch.cuda.get_device_capability(device) >= _FP16_CORES else "fp32"
        return "fp16" if kind == "mps" else "fp32"

    @classmethod
    def fast_precisions(cls, device: str) -> tuple[Precision, ...]:
        """Return what a GPU has units for; see :meth:`.Runtime.fast_precisions`.

        Parameters
        ----------
        device : str
            As in the settings.
        """
        if device == "cpu":
            return ()
        found: set[Precision] = {cls.auto_precision(device), cls.wide_precision(device)}
        return tuple(sorted(found - {"fp32"}))

    @classmethod
    def wide_precision(cls, device: str) -> Precision:
        """Return bf16, but where it is emulated; see :meth:`.Runtime.wide_precision`.

        Parameters
        ----------
        device : str
            As in the settings.
        """
        if device.startswith("cuda") and torch.cuda.get_device_capability(device) < _BF16_CORES:
            return "fp32"
        return "bf16"

    @property
    def notes(self) -> tuple[str, ...]:
        """What it had to do otherwise; see :class:`.TileRunner`."""
        batch, device = self.settings.batch, self.settings.device
        said = []
        if self._size < batch:
            said.append(
                f"the memory of {device} does not hold batches of {batch} tiles; "
                f"{self._size} at a time were computed"
            )
        if self._executor is not None and self._executor.note is not None:
            said.append(self._executor.note)
        return tuple(said)

    def run(self, tiles: Bytes) -> dict[str, npt.NDArray[Any]]:
        """Segment a batch; see :meth:`Runtime.run`."""
        return self.start(tiles).result()

    def start(self, tiles: Bytes) -> Running:
        """Start a batch; see :meth:`.TileRunner.start`."""
        return self._within_memory(lambda: self._start(tiles))

    def _start(self, tiles: Bytes) -> Running:
        executor, size = self._prepared(), self._size
        parts = [executor.start(tiles[at : at + size]) for at in range(0, len(tiles), size)]
        return parts[0] if len(parts) == 1 else _Joined(parts)

    def _prepared(self) -> Executor:
        if self._executor is None:
            self._executor = self._make_executor(self._size)
        return self._executor

    def _make_executor(self, size: int) -> Executor:
        if self._device.type != "cuda":
            return _Direct(self._network, self._device)
        shape = (size, *self.settings.tile, 3)
        return CudaPipeline(self._network, self._device, shape, self._capture)

    def _within_memory(self, action: Callable[[], T]) -> T:
        """Do something, with ever smaller parts of a batch until there is memory for it."""
        while True:
            try:
                return action()
            except RuntimeError as error:
                if self._size == 1 or not is_out_of_memory(error):
                    raise
            # Not above, where the error holds what filled the memory.
            self._size = (self._size + 1) // 2
            if self._executor is not None:
                self._executor.close()
                self._executor = None


def _placed(network: TileNetwork, device: torch.device, precision: Precision) -> TileNetwork:
    """Return a network on a device, in a format, and laid out for it; the caller's stays."""
    dtype = DTYPES.get(precision)
    if dtype is not None:
        # Apple's GPU takes no norms of another format than what they norm.
        network = narrow(network, dtype, norms=device.type == "mps")
    elif device.type == "cpu":
        return network.eval()
    else:
        network = clone(network).requires_grad_(False)
    # Tiles are channels-last as they come.
    placed = network.to(device).eval()
    return placed.to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


class _Direct:
    """Runs a network layer by layer: on a CPU, and on Apple's GPU, which works by itself."""

    note: str | None = None

    def __init__(self, network: TileNetwork, device: torch.device) -> None:
        self._network = network
        self._device = device

    @torch.inference_mode()
    def start(self, tiles: Bytes) -> Running:
        owned = tiles if tiles.flags.writeable else tiles.copy()
        outputs = self._network(torch.from_numpy(owned).to(self._device))
        return _Computed(dict(zip(self._network.outputs, outputs, strict=True)))

    def close(self) -> None:
        if self._device.type == "mps":
            torch.mps.empty_cache()


@dataclass(frozen=True)
class _Computed(Running):
    """A batch whose results are on the device, or will be."""

    outputs: dict[str, torch.Tensor]

    def result(self) -> dict[str, npt.NDArray[Any]]:
        return {name: output.cpu().numpy() for name, output in self.outputs.items()}


@dataclass(frozen=True)
class _Joined(Running):
    """A batch in several parts."""

    parts: Sequence[Running]

    def result(self) -> dict[str, npt.NDArray[Any]]:
        found = [part.result() for part in self.parts]
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}


def find_device(name: str) -> torch.device:
    """Return a device that PyTorch can use.

    Raises
    ------
    ArgumentError
        If it is not the name of one.
    RuntimeUnavailableError
        If it is not there.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ArgumentError(
            f"there is no device {name!r}", "`device`", "Use cpu, cuda, cuda:N or mps."
        ) from error
    usable = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not usable.get(device.type, False):
        raise RuntimeUnavailableError(
            f"PyTorch does not see the device {name!r}{_why_not(device)}",
            "`device`",
            "Try `device=cpu`.",
        )
    return device


def _why_not(device: torch.device) -> str:
    """Return why a device is not there, as far as that is known."""
    if device.type == "mps":
        return ": it is Apple's, on macOS 14 and later"
    if device.type != "cuda":
        return ""
    if count := torch.cuda.device_count():
        return f", but {', '.join(f'cuda:{number}' for number in range(count))}"
    if torch.version.cuda is None and torch.version.hip is None:
        return f": PyTorch {torch.__version__} is built without CUDA"
    return ": there is no NVIDIA GPU, or no driver that fits"

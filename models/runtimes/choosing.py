"""Which runtime executes a network on this machine."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from typing import Literal

import torch

from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.models.runtimes.runtime import Precision, Runtime, RuntimeSettings
from wsiseg.models.runtimes.torch import TorchRuntime, find_device
from wsiseg.models.tile_network import TileNetwork

RuntimeName = Literal["openvino", "torch"]
_RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "torch")


@dataclass(frozen=True)
class RuntimeChoice:
    """Who runs the network, on what, in which numbers.

    Attributes
    ----------
    runtime : {"openvino", "torch"}
        What executes it.
    device : str
        ``"cpu"``, ``"cuda:0"``, ``"mps"``, ….
    precision : {"fp32", "fp16", "bf16"}
        Number format inside the network.
    threads : int
        CPU threads.
    """

    runtime: RuntimeName
    device: str
    precision: Precision
    threads: int

    def start(self, network: TileNetwork, tile: tuple[int, int], batch: int) -> Runtime:
        """Make a network ready for tiles of one shape."""
        settings = RuntimeSettings(batch, tile, self.device, self.precision, self.threads)
        if self.runtime == "openvino":
            from wsiseg.models.runtimes.openvino import OpenVinoRuntime

            return OpenVinoRuntime(network, settings)
        return TorchRuntime(network, settings)


def installed_runtimes() -> list[RuntimeName]:
    """Return the runtimes that can be imported here, the fastest on a CPU first."""
    return [name for name in _RUNTIMES if importlib.util.find_spec(name) is not None]


def choose_runtime(
    runtime: str = "auto", device: str = "auto", precision: str = "auto", threads: int | None = None
) -> RuntimeChoice:
    """Choose what is fastest of what is installed, or check what the user chose.

    A CUDA or Apple GPU goes to PyTorch, a CPU to OpenVINO where it is installed and to PyTorch
    where not.  Numbers are fp32 unless something else is asked for, as only they give the
    published logits.

    Raises
    ------
    RuntimeUnavailableError
        If what was asked for is not installed, or cannot use the device.
    ArgumentError
        For a name that does not exist.
    """
    if runtime not in ("auto", *_RUNTIMES):
        raise ArgumentError(f"there is no runtime {runtime!r}", "`runtime`", _one_of(_RUNTIMES))
    if precision not in ("auto", "fp32", "fp16", "bf16"):
        raise ArgumentError(
            f"there is no precision {precision!r}", "`precision`", _one_of(("fp32", "fp16", "bf16"))
        )
    if threads is not None and threads < 1:
        raise ArgumentError(f"{threads} threads cannot run anything", "`threads`")
    place = _auto_device(runtime) if device == "auto" else str(find_device(device))
    chosen = _auto_runtime(place) if runtime == "auto" else runtime
    if chosen not in installed_runtimes():
        raise RuntimeUnavailableError(
            f"{chosen} is not installed", "`runtime`", f"Run: pip install 'wsiseg[{chosen}]'."
        )
    if chosen == "openvino" and place != "cpu":
        raise RuntimeUnavailableError(
            f"openvino runs on the CPU here, not on {place}", "`device`", "Use `runtime=torch`."
        )
    return RuntimeChoice(
        runtime=chosen,
        device=place,
        precision="fp32" if precision == "auto" else precision,  # type: ignore[arg-type]
        threads=threads or usable_cores(),
    )


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _auto_device(runtime: str) -> str:
    if runtime == "openvino":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _auto_runtime(device: str) -> RuntimeName:
    return "openvino" if device == "cpu" and "openvino" in installed_runtimes() else "torch"


def _one_of(names: tuple[str, ...]) -> str:
    return f"Use auto or one of: {', '.join(names)}."

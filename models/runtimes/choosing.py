"""Choosing the runtime, device and precision that execute a network on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.models.runtimes.accelerators import may_have_accelerator
from wsiseg.models.runtimes.registry import RUNTIMES
from wsiseg.models.runtimes.runtime import Precision, Runtime, RuntimeSettings

if TYPE_CHECKING:
    from wsiseg.models.tile_network import TileNetwork

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class RuntimeChoice:
    """A runtime with its device, precision and threads.

    Attributes
    ----------
    runtime : str
        Name of the runtime.
    device : str
        ``"cpu"``, ``"cuda:0"``, ``"mps"``, ….
    precision : {"fp32", "fp16", "bf16", "int8"}
        Number format inside the network.
    threads : int
        CPU threads.
    """

    runtime: str
    device: str
    precision: Precision
    threads: int

    def compile(self, network: TileNetwork, tile: tuple[int, int], batch: int) -> Runtime:
        """Compile a network for batches of tiles of one shape.

        Parameters
        ----------
        network : TileNetwork
            In evaluation mode.
        tile : tuple of int
            ``(height, width)``.
        batch : int
            Tiles of a batch.

        Returns
        -------
        Runtime
            Ready to run.
        """
        return RUNTIMES[self.runtime](network, self.settings(tile, batch))

    def settings(self, tile: tuple[int, int], batch: int) -> RuntimeSettings:
        """Return the settings of a runtime for batches of tiles of one shape."""
        return RuntimeSettings(batch, tile, self.device, self.precision, self.threads)


def installed_runtimes() -> list[str]:
    """Return the names of the runtimes that can be used here, as ``auto`` prefers them."""
    return [name for name, runtime in RUNTIMES.items() if runtime.is_installed()]


def choose_runtime(
    runtime: str = "auto", device: str = "auto", precision: str = "auto", threads: int | None = None
) -> RuntimeChoice:
    """Choose the fastest runtime that is installed, or check what the user chose.

    A CUDA or Apple GPU goes to PyTorch, a CPU to OpenVINO where it is installed and to PyTorch
    where not.  Numbers are fp32 unless something else is asked for, as only they give the
    published logits.

    Parameters
    ----------
    runtime : str
        ``"auto"`` or one of :data:`RUNTIMES`.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    precision : {"auto", "fp32", "fp16", "bf16", "int8"}
        Number format inside the network.
    threads : int, optional
        CPU threads; all cores that this process may use if left out.

    Returns
    -------
    RuntimeChoice
        Nothing is compiled yet.

    Raises
    ------
    RuntimeUnavailableError
        If what was asked for is not installed, or cannot use the device.
    ArgumentError
        For a name that does not exist.

    Examples
    --------
    >>> choose_runtime("torch", device="cpu", threads=2)
    RuntimeChoice(runtime='torch', device='cpu', precision='fp32', threads=2)
    """
    if runtime != "auto":
        RUNTIMES.check(runtime, "`runtime`")
    if precision == "fast":
        raise ArgumentError(
            "what is fast is chosen on a slide's own tiles, when slides are segmented",
            "`precision`",
            f"Use auto or one of: {', '.join(PRECISIONS)}.",
        )
    if precision not in ("auto", *PRECISIONS):
        raise ArgumentError(
            f"there is no precision {precision!r}",
            "`precision`",
            f"Use auto or one of: {', '.join(PRECISIONS)}.",
        )
    if threads is not None and threads < 1:
        raise ArgumentError(f"{threads} threads cannot run anything", "`threads`")
    place = _auto_device(runtime) if device == "auto" else _checked_device(device)
    taken: Precision = "fp32" if precision == "auto" else precision  # type: ignore[assignment]
    if runtime == "auto":
        runtime = _auto_runtime(place, taken)
    return RuntimeChoice(
        runtime=_checked(runtime, place, taken),
        device=place,
        precision=taken,
        threads=threads or usable_cores(),
    )


def _checked(runtime: str, device: str, precision: Precision) -> str:
    """Refuse a runtime that is not installed, or does not run on a device or in a precision."""
    kind = RUNTIMES.find(runtime, "`runtime`")
    if not kind.is_installed():
        raise RuntimeUnavailableError(
            f"{runtime} is not installed",
            "`runtime`",
            f"Run: pip install 'wsiseg[{kind.extra}]'.",
        )
    if not kind.runs_on(device):
        raise RuntimeUnavailableError(
            f"{runtime} runs on {' and '.join(kind.devices)}, not on {device}",
            "`device`",
            f"Use `runtime={_auto_runtime(device)}`.",
        )
    if precision not in kind.precisions:
        others = [name for name in installed_runtimes() if precision in RUNTIMES[name].precisions]
        raise RuntimeUnavailableError(
            f"{runtime} does not compute in {precision} on {device}",
            "`precision`",
            f"Use `runtime={others[0]}` on a CPU, or `precision=fp32`."
            if others
            else "Run: pip install 'wsiseg[openvino]', or use `precision=fp32`.",
        )
    return runtime


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _checked_device(device: str) -> str:
    """Return a device that is there; every machine has a CPU, which PyTorch needs not tell."""
    if device == "cpu":
        return device
    from wsiseg.models.runtimes.torch import find_device

    return str(find_device(device))


def _auto_device(runtime: str) -> str:
    """Return the fastest device that there is for a runtime, or for any."""
    devices = ("cuda", "mps") if runtime == "auto" else RUNTIMES.find(runtime).devices
    if {"cuda", "mps"}.isdisjoint(devices) or not may_have_accelerator():
        return "cpu"
    import torch

    if "cuda" in devices and torch.cuda.is_available():
        return "cuda"
    return "mps" if "mps" in devices and torch.backends.mps.is_available() else "cpu"


def _auto_runtime(device: str, precision: Precision = "fp32") -> str:
    """Return the first runtime that is installed and runs on a device; PyTorch runs on all."""
    # One after the other, as the next may have to import PyTorch.
    return next(
        (
            name
            for name, runtime in RUNTIMES.items()
            if runtime.is_installed()
            and runtime.runs_on(device)
            and precision in runtime.precisions
        ),
        "torch",
    )

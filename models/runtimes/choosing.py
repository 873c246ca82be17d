"""Choosing the runtime, device and precision that execute a network on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
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
    adaptable : bool
        Whether another precision may be taken if the network does not fit into this one.
    """

    runtime: str
    device: str
    precision: Precision
    threads: int
    adaptable: bool = field(default=False, repr=False)

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
        """Return the settings of a runtime for batches of tiles of one shape.

        Parameters
        ----------
        tile : tuple of int
            ``(height, width)``.
        batch : int
            Tiles of a batch.
        """
        return RuntimeSettings(batch, tile, self.device, self.precision, self.threads)


def installed_runtimes() -> list[str]:
    """Return the names of the runtimes that can be used here, as ``auto`` prefers them."""
    return [name for name, runtime in RUNTIMES.items() if runtime.is_installed()]


def choose_runtime(
    runtime: str = "auto", device: str = "auto", precision: str = "auto", threads: int | None = None
) -> RuntimeChoice:
    """Choose the fastest runtime that is installed, or check what the user chose.

    A CUDA or Apple GPU goes to PyTorch, a CPU to OpenVINO where it is installed and to PyTorch
    where not.  Numbers are fp32 on a CPU, so that a slide has the same mask on all of them, and
    fp16 on a GPU that is made for it, unless something else is asked for.

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
            "fast works for slides only, on whose tiles it is chosen",
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
        raise ArgumentError(f"{threads} threads are too few", "`threads`")
    place = _auto_device(runtime) if device == "auto" else _checked_device(device)
    wanted: Precision = "fp32" if precision == "auto" else precision  # type: ignore[assignment]
    name = _checked(_auto_runtime(place, wanted) if runtime == "auto" else runtime, place, wanted)
    return RuntimeChoice(
        runtime=name,
        device=place,
        precision=RUNTIMES[name].auto_precision(place) if precision == "auto" else wanted,
        threads=threads or usable_cores(),
        adaptable=precision == "auto",
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
        other = _auto_runtime(device)
        raise RuntimeUnavailableError(
            f"{runtime} runs on {' and '.join(kind.devices)}, not on {device}",
            "`device`",
            f"Use `runtime={other}`." if RUNTIMES[other].runs_on(device) else "Use `device=cpu`.",
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
    kind.check_device(device)
    return runtime


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _checked_device(device: str) -> str:
    """Return a device that is there; of a CPU and of DirectML, PyTorch needs or can not tell."""
    if device.partition(":")[0] in ("cpu", "dml"):
        return device
    from wsiseg.models.runtimes.torch import find_device

    return str(find_device(device))


def _auto_device(runtime: str) -> str:
    """Return the fastest device that there is for a runtime, or for any."""
    if not may_have_accelerator() or not any(_runs(runtime, each) for each in ("cuda", "mps")):
        return "cpu"
    import torch

    if _runs(runtime, "cuda") and torch.cuda.is_available():
        return "cuda"
    return "mps" if _runs(runtime, "mps") and torch.backends.mps.is_available() else "cpu"


def _runs(runtime: str, device: str) -> bool:
    """Tell whether a runtime, or any, runs on a device with what is installed of it."""
    if runtime == "auto":
        return True
    kind = RUNTIMES.find(runtime)
    if not kind.runs_on(device) or not kind.is_installed():
        return False
    try:
        kind.check_device(device)
    except RuntimeUnavailableError:
        return False
    return True


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

"""How much of a GPU's clock reaches the network: measured at clocks that are set for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from wsiseg.error_translation import translate_errors
from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models.runtimes.runtime import TileRunner
from wsiseg.throughput.bench_options import BenchOptions
from wsiseg.throughput.probes.nvml import open_gpu
from wsiseg.throughput.runs import measure_runs


def measure_at_clocks(
    runtime: TileRunner, macs: int, options: BenchOptions, matrix_gflops: float
) -> dict[str, Any]:
    """Measure a network at each of the clocks that the options name.

    Parameters
    ----------
    runtime : TileRunner
        Compiled, on a GPU of NVIDIA's.
    macs : int
        Multiply-accumulates for one picture.
    options : BenchOptions
        The clocks, and how often the network runs at each.
    matrix_gflops : float
        As for :meth:`.SizeResult.describe`.

    Returns
    -------
    dict
        ``clocks``, the figures at each with ``set_mhz``, and ``sensitivity``, see
        :func:`sensitivity`.

    Raises
    ------
    RuntimeUnavailableError
        If the clock cannot be set.
    """
    found = []
    for megahertz in options.set_clocks:
        with locked_clock(runtime.settings.device, megahertz):
            result = measure_runs(runtime, macs, options, lambda _: None)
        found.append({"set_mhz": megahertz, **result.describe(matrix_gflops)})
    ran = [each["clock_mhz"] or each["set_mhz"] for each in found]
    return {"clocks": found, "sensitivity": sensitivity(ran, [each["fps"] for each in found])}


def check_clocks(device: str) -> None:
    """Refuse, before anything is measured, a device that has no clock which could be set.

    Parameters
    ----------
    device : str
        Where the network runs.

    Raises
    ------
    RuntimeUnavailableError
        If it is no GPU of NVIDIA's.
    """
    nvml, _ = _open(device)
    nvml.nvmlShutdown()


def _open(device: str) -> tuple[Any, Any]:
    gpu = open_gpu(device)
    if gpu is None:
        raise RuntimeUnavailableError(
            f"NVIDIA's driver does not know {device}, so its clock cannot be set",
            "`set_clocks`",
            "Leave it out; on an NVIDIA GPU run: pip install 'wsiseg[nvidia]'.",
        )
    return gpu


@contextmanager
def locked_clock(device: str, megahertz: int) -> Iterator[None]:
    """Hold a GPU at a clock, as a context manager that lets it go again.

    Parameters
    ----------
    device : str
        ``"cuda"`` or ``"cuda:N"``.
    megahertz : int
        The clock of its processors.

    Raises
    ------
    RuntimeUnavailableError
        If the device is no GPU of NVIDIA's, or this user may not set clocks.
    """
    nvml, handle = _open(device)
    try:
        with translate_errors(
            lambda why: RuntimeUnavailableError(
                f"the clock of {device} cannot be set to {megahertz} MHz: {why}",
                "`set_clocks`",
                "Only root may set clocks, and not on every GPU; leave it out.",
            )
        ):
            nvml.nvmlDeviceSetGpuLockedClocks(handle, megahertz, megahertz)
        try:
            yield
        finally:
            nvml.nvmlDeviceResetGpuLockedClocks(handle)
    finally:
        nvml.nvmlShutdown()


def sensitivity(clocks: Sequence[float], rates: Sequence[float]) -> float | None:
    """Return by how many per cent the rate grows when the clock grows by one.

    It is the slope of one logarithm over the other: 1 where only the processors count, 0 where only
    the memory does.  None if there are not two clocks.

    Parameters
    ----------
    clocks : sequence of float
        In any unit.
    rates : sequence of float
        Pictures a second at each.

    Examples
    --------
    >>> sensitivity([1000, 2000], [10, 20]), sensitivity([1000, 2000], [10, 10])
    (1.0, 0.0)
    """
    if len(set(clocks)) < 2:
        return None
    x, y = (np.array([math.log(each) for each in side]) for side in (clocks, rates))
    x -= x.mean()
    return round(float((x * (y - y.mean())).sum() / (x * x).sum()), 4)

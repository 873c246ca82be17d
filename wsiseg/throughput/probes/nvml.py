"""NVML: what NVIDIA's driver tells of a GPU.

https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, Self

from wsiseg.throughput.probes.probe import Probe, Reading


class NvmlProbe(Probe):
    """One GPU, by the package ``nvidia-ml-py``.

    Parameters
    ----------
    library : module
        ``pynvml``, initialised.
    handle : object
        The GPU.
    """

    covers = "the GPU"

    def __init__(self, library: Any, handle: Any) -> None:
        self._nvml = library
        self._handle = handle

    @classmethod
    def find(cls, device: str) -> Self | None:
        """Return a probe of the GPU on which the network runs; see :meth:`.Probe.find`.

        Parameters
        ----------
        device : str
            ``"cuda"`` or ``"cuda:N"`` as PyTorch counts; for all others there is no probe.
        """
        gpu = open_gpu(device)
        return None if gpu is None else cls(*gpu)

    def read(self) -> Reading:
        """Return what the driver says; see :meth:`.Probe.read`."""
        nvml = self._nvml
        watts = self._ask(nvml.nvmlDeviceGetPowerUsage)
        joules = self._ask(nvml.nvmlDeviceGetTotalEnergyConsumption)
        rates = self._ask(nvml.nvmlDeviceGetUtilizationRates)
        clock = self._ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM)
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo)
        return Reading(
            watts=None if watts is None else watts / 1e3,
            joules=None if joules is None else joules / 1e3,
            utilisation=None if rates is None else rates.gpu / 100,
            clock_mhz=None if clock is None else float(clock),
            memory_mb=None if memory is None else memory.used / 2**20,
        )

    def close(self) -> None:
        """Let go of the driver."""
        self._nvml.nvmlShutdown()

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return an answer, or None: not every GPU tells everything."""
        try:
            return function(self._handle, *arguments)
        except self._nvml.NVMLError:
            return None


def open_gpu(device: str) -> tuple[Any, Any] | None:
    """Return the library, initialised, and its handle of a GPU; None where there is none.

    Parameters
    ----------
    device : str
        ``"cuda"`` or ``"cuda:N"`` as PyTorch counts; there is none for all others.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda" or importlib.util.find_spec("pynvml") is None:
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        # PyTorch numbers those that CUDA_VISIBLE_DEVICES leaves, NVML all.
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(_uuid(int(number or 0)))
    except pynvml.NVMLError:
        pynvml.nvmlShutdown()
        return None


def _uuid(number: int) -> str:
    import torch

    return f"GPU-{torch.cuda.get_device_properties(number).uuid}"

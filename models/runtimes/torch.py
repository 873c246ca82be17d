"""PyTorch as the runtime: on every machine, and on GPUs."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch

from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models.cloning import clone
from wsiseg.models.runtimes.runtime import Bytes, Runtime, RuntimeSettings
from wsiseg.models.tile_network import TileNetwork

_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


class TorchRuntime(Runtime):
    """A network executed by PyTorch.

    Raises
    ------
    RuntimeUnavailableError
        If PyTorch does not see the device.
    """

    name = "torch"
    packages = ("torch",)
    devices = ("cpu", "cuda", "mps")

    def __init__(self, network: TileNetwork, settings: RuntimeSettings) -> None:
        super().__init__(network, settings)
        self._device = find_device(settings.device)
        if self._device.type == "cpu":
            torch.set_num_threads(settings.threads)
        if self._device.type != "cpu":
            # The caller's network stays on its device.
            network = clone(network)
        self._network = network.to(self._device).eval()
        self._dtype = _DTYPES.get(settings.precision)

    @torch.inference_mode()
    def run(self, tiles: Bytes) -> dict[str, npt.NDArray[Any]]:
        """Segment a batch; see :meth:`Runtime.run`."""
        owned = tiles if tiles.flags.writeable else tiles.copy()
        pixels = torch.from_numpy(owned).to(self._device, non_blocking=True)
        with torch.autocast(self._device.type, dtype=self._dtype, enabled=self._dtype is not None):
            outputs = self._network(pixels)
        return {
            name: output.cpu().numpy() for name, output in zip(self.outputs, outputs, strict=True)
        }


def find_device(name: str) -> torch.device:
    """Return a device that PyTorch can use.

    Raises
    ------
    RuntimeUnavailableError
        If it is not there.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise RuntimeUnavailableError(
            f"there is no device {name!r}", "`device`", "Use cpu, cuda, cuda:N or mps."
        ) from error
    usable = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not usable.get(device.type, False):
        raise RuntimeUnavailableError(
            f"PyTorch does not see the device {name!r}", "`device`", "Try `device=cpu`."
        )
    return device

"""TorchScript, for LibTorch and for programs that still load it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wsiseg.models.exporting.format import Bytes, ModelFormat

if TYPE_CHECKING:
    import torch

    from wsiseg.models.tile_network import TileNetwork


class TorchScriptFormat(ModelFormat):
    """A traced network, the metadata among its extra files."""

    title = "TorchScript"
    suffix = ".pt"
    packages = ("torch",)

    @staticmethod
    def write(
        network: TileNetwork, example: Bytes, path: Path, metadata: Mapping[str, str]
    ) -> None:
        """Write a network; see :meth:`.ModelFormat.write`."""
        import torch

        with torch.no_grad():
            traced = torch.jit.trace(network, torch.from_numpy(example), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, path, _extra_files=dict(metadata))

    @staticmethod
    def run(path: Path, tiles: Bytes) -> dict[str, Bytes]:
        """Run a file on a batch; see :meth:`.ModelFormat.run`."""
        import torch

        network = torch.jit.load(path)  # type: ignore[no-untyped-call]
        return run_module(network, tiles)


def run_module(network: torch.nn.Module, tiles: Bytes) -> dict[str, Bytes]:
    """Run a network of PyTorch that gives labels and probabilities.

    Parameters
    ----------
    network : Module
        uint8 ``(B, H, W, 3)`` in, what :class:`.TileNetwork` gives out.
    tiles : ndarray
        uint8 ``(B, H, W, 3)``.
    """
    import torch

    with torch.inference_mode():
        labels, probabilities = network(torch.from_numpy(tiles))
    return {"labels": labels.numpy(), "probabilities": probabilities.numpy()}

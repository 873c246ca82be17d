"""PyTorch's exported programs, which AOTInductor and ExecuTorch take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wsiseg.models.exporting.format import Bytes, ModelFormat
from wsiseg.models.exporting.torchscript import run_module

if TYPE_CHECKING:
    from wsiseg.models.tile_network import TileNetwork


class TorchExportFormat(ModelFormat):
    """A program of ``torch.export``, the metadata among its extra files."""

    title = "a program of torch.export"
    suffix = ".pt2"
    packages = ("torch",)

    @staticmethod
    def write(
        network: TileNetwork, example: Bytes, path: Path, metadata: Mapping[str, str]
    ) -> None:
        """Write a network; see :meth:`.ModelFormat.write`."""
        import torch

        with torch.no_grad():
            program = torch.export.export(network, (torch.from_numpy(example),))
        torch.export.save(program, path, extra_files=dict(metadata))

    @staticmethod
    def run(path: Path, tiles: Bytes) -> dict[str, Bytes]:
        """Run a file on a batch; see :meth:`.ModelFormat.run`."""
        import torch

        return run_module(torch.export.load(path).module(), tiles)

"""Makes what all sides work on; a process of its own, so that the measuring one stays small.

    python prepare.py FOLDER CHECKPOINT EDGE TILE

Leaves ``large.tiff``, the demonstration slide, ``small.tiff``, the EDGE×EDGE pixels of it with the
most tissue, and the checkpoint's network as ``network.onnx`` for FAST and ``network.pt`` for MONAI.
Both take RGB from 0 to 255 and normalise inside.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import tifffile
import torch
from torch import Tensor, nn

import wsiseg
from wsiseg.demo.slide import MPP, build_demo_slide
from wsiseg.models import Checkpoint
from wsiseg.models.normaliser import Normaliser
from wsiseg.store.pyramid import halve_by_mean
from wsiseg.tiling import Box


class Peeled(nn.Module):
    """Pixels in, logits out.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network and its normalisation.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.normalise = Normaliser(checkpoint.card.normalisation)
        self.network = checkpoint.network

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits ``(B, C, H, W)`` of pixels ``(B, 3, H, W)``."""
        logits: Tensor = self.network(self.normalise(pixels.permute(0, 2, 3, 1)))
        return logits


class PeeledForFast(Peeled):
    """Pixels in, probabilities out, channels last at both ends."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Return probabilities ``(B, H, W, C)`` of pixels ``(B, H, W, 3)``."""
        return super().forward(pixels.permute(0, 3, 1, 2)).softmax(1).permute(0, 2, 3, 1)


def write_networks(checkpoint: Checkpoint, tile: int, folder: Path) -> None:
    """Write the network for both peers."""
    torch.onnx.export(
        PeeledForFast(checkpoint).eval().requires_grad_(False),
        (torch.zeros(1, tile, tile, 3),),
        folder / "network.onnx",
        dynamo=True,
        external_data=False,
        input_names=["pixels"],
        output_names=["probabilities"],
        verbose=False,
    )
    # Traced, so that it needs no wsiseg there; not frozen, so that it runs as PyTorch runs it.
    torch.jit.trace(
        Peeled(checkpoint).eval().requires_grad_(False), torch.zeros(4, 3, 512, 512)
    ).save(folder / "network.pt")


def crop(slide_path: Path, edge: int, output: Path) -> None:
    """Write the square with the most tissue as a slide of its own."""
    with wsiseg.open_slide(slide_path) as slide:
        plane = slide.facts.levels[0]
        pixels = slide.read_region(0, Box(0, 0, plane.height, plane.width))
    tissue = pixels[::16, ::16].min(axis=2) < 210
    corners = [
        (y, x)
        for y in range(0, plane.height - edge + 1, 512)
        for x in range(0, plane.width - edge + 1, 512)
    ]

    def share(corner: tuple[int, int]) -> int:
        y, x = (at // 16 for at in corner)
        return int(tissue[y : y + edge // 16, x : x + edge // 16].sum())

    y, x = max(corners, key=share)
    level = np.ascontiguousarray(pixels[y : y + edge, x : x + edge])
    with tifffile.TiffWriter(output) as file:
        for k in range(3):
            file.write(
                level,
                tile=(512, 512),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 85, "outcolorspace": "ycbcr"},
                resolution=(1e4 / (MPP * 2**k),) * 2,
                resolutionunit="CENTIMETER",
                subfiletype=1 if k else 0,
                metadata=None,
            )
            level = halve_by_mean(level.transpose(2, 0, 1)).transpose(1, 2, 0)


def main() -> None:
    """Make everything."""
    folder = Path(sys.argv[1])
    # Of what PyTorch tells of its exporters nothing matters here.
    warnings.simplefilter("ignore")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    write_networks(wsiseg.load_checkpoint(sys.argv[2]), int(sys.argv[4]), folder)
    large = build_demo_slide(folder / "large.tiff")
    crop(large, int(sys.argv[3]), folder / "small.tiff")


if __name__ == "__main__":
    main()

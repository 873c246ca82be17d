"""A network of your own, in thirty lines: train it, and segment with it.

    python examples/05_own_network.py -o out/

In a package of yours an entry point does what `register` does here; see docs/extending.md.
"""

import argparse

# --8<-- [start:network]
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor, nn

import wsiseg
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register


@register("thirty-lines", family="Examples", paper="none")
class ThirtyLines(SegmentationNetwork):
    """Two strides down, three dilated convolutions, and up again."""

    input_multiple = 4

    def __init__(self, classes: int, channels: int = 16) -> None:
        super().__init__(classes)
        self.down = nn.Sequential(
            nn.Conv2d(3, channels, 3, stride=2, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        self.see = nn.Sequential(
            *(nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate) for rate in (1, 2, 4)),
            nn.ReLU(),
        )
        self.up = nn.ConvTranspose2d(channels, classes, 4, stride=4)

    def dense(self, x: Tensor) -> Tensor:
        """Return logits ``(B, classes, H, W)`` of float32 ``(B, 3, H, W)``."""
        return self.up(self.see(self.down(x)))


# --8<-- [end:network]


# --8<-- [start:fields]
def paint_fields(folder: Path, rng: np.random.Generator) -> None:
    """Write pictures of dark discs on a pale ground, and their masks."""
    rows, columns = np.mgrid[:96, :96]
    for number in range(6):
        mask = np.zeros((96, 96), bool)
        for y, x, radius in zip(*rng.integers((8, 8, 5), (88, 88, 14), (5, 3)).T, strict=True):
            mask |= (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        pixels = np.where(mask[..., None], (90, 50, 120), (230, 200, 220))
        pixels = (pixels + rng.normal(0, 10, pixels.shape)).clip(0, 255)
        for kind, picture in (("images", pixels), ("labels", mask)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.astype(np.uint8)).save(folder / kind / f"{number}.png")


# --8<-- [end:fields]


def main(folder: Path) -> float:
    """Return the mean IoU of the network on the fields that it did not learn from."""
    fields = folder / "fields"
    paint_fields(fields, np.random.default_rng(0))
    data = wsiseg.DataOptions(
        images=fields / "images", labels=fields / "labels", class_map="0=ground,1=disc"
    )
    settings = {"model": "thirty-lines", "epochs": 12, "tiles": 64, "tile": 96, "lr": 0.01}
    run = wsiseg.train(data, None, folder / "run", **settings)
    result = wsiseg.segment(fields / "images" / "0.png", run.checkpoint, folder, level=0)
    print(f"mean IoU {run.miou:.3f} in validation; mask {result.mask}")
    return run.miou


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out"))
    main(parser.parse_args().output)

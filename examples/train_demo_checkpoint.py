"""Train the demonstration checkpoint that the package ships, and write its card.

The data are three breast-biopsy tiles of 384×384 pixels that the authors of Y-Net published under
the MIT licence, with eight tissue classes painted by pathologists.  Two are the training data, the
third the validation data.  Three tiles make a demonstration, not a model.

Each tile becomes a small slide: the number at the end of a tile's name is how much it was reduced
from the 40× scan, which we take as 0.25 µm/px, and glass is put around it, of which the tiles hold
next to none.  From there on it is ``wsiseg train`` as for any annotated slides.

    python examples/train_demo_checkpoint.py DATA/breast_ynet -o breast-tissue.safetensors
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import tifffile
import yaml
from PIL import Image

import wsiseg
from wsiseg.cli import main as command
from wsiseg.models.class_sets import BREAST_TISSUE
from wsiseg.training.card import describe_checkpoint

SCAN_MPP = 0.25
VALIDATION = "1222_1_7200_3600_2"
GLASS = 128

REMARKS = """\
**This is no medical device.** It was trained on two small pictures. It shows that the program
works; its labels mean nothing for any patient, and little for any other slide.

The data are tiles of haematoxylin and eosin stained breast biopsies with tissue labels, published
with Y-Net (Mehta et al., MICCAI 2018) under the MIT licence, on the reading that the number at the
end of a name is its reduction from 0.25 µm/px. The tile for validation comes from the same
slide as one of the others, and chose the epoch: its scores are no test on another patient. Classes
with few or no training pixels are not to be expected.

Made by `examples/train_demo_checkpoint.py` through `wsiseg train`, on tiles with glass around
them. The weights are under Apache-2.0, as the package. The tissue picture that `wsiseg demo`
segments is an immunohistochemical stain of colon, which the network has never seen: expect a mask,
not a diagnosis.
"""


def write_slide(data: Path, name: str, folder: Path, random: np.random.Generator) -> None:
    """Write a tile on glass as a slide with its resolution, and its labels as a mask."""
    with Image.open(data / "trainrgb" / f"{name}.png") as picture:
        tile = np.asarray(picture.convert("RGB"))
    with Image.open(data / "trainannot" / f"{name}.png") as picture:
        labels = np.asarray(picture.convert("L"))
    shape = (labels.shape[0] + 2 * GLASS, labels.shape[1] + 2 * GLASS)
    glass = random.normal(243, 2, (*shape, 3)).clip(0, 255).astype(np.uint8)
    glass[GLASS:-GLASS, GLASS:-GLASS] = tile
    mpp = SCAN_MPP * float(name.rsplit("_", 1)[1])
    tifffile.imwrite(
        folder / "slides" / f"{name}.tiff",
        glass,
        tile=(128, 128),
        photometric="rgb",
        resolution=(1e4 / mpp,) * 2,
        resolutionunit="CENTIMETER",
    )
    Image.fromarray(np.pad(labels, GLASS)).save(folder / "labels" / f"{name}.png")


def prepare(data: Path, folder: Path) -> None:
    """Write slides, masks, the class map, and the list of validation samples."""
    for name in ("slides", "labels"):
        (folder / name).mkdir()
    random = np.random.default_rng(0)
    for path in sorted((data / "trainrgb").glob("*.png")):
        write_slide(data, path.stem, folder, random)
    colours = {c.name: "#" + bytes(c.colour).hex() for c in BREAST_TISSUE}
    names = {str(index): entry.name for index, entry in enumerate(BREAST_TISSUE)}
    class_map = {"map": names, "colours": colours}
    (folder / "classes.yaml").write_text(yaml.safe_dump(class_map), encoding="utf-8")
    (folder / "validation.txt").write_text(f"{VALIDATION}\n", encoding="utf-8")


def main() -> None:
    """Prepare the slides, train, and write the checkpoint and its card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with trainrgb/ and trainannot/")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--tiles", type=int, default=96, help="tiles per epoch")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(options.data, folder)
        words = ["train", "--slides", folder / "slides", "--annotations", folder / "labels"]
        words += ["--class-map", folder / "classes.yaml", "--val-only", folder / "validation.txt"]
        words += ["--model", "espnet", "--set", "alpha3=5", "--mpp", 0.5, "--tile", 192]
        words += ["--epochs", options.epochs, "--tiles", options.tiles, "--batch", 8]
        words += ["--lr", 0.005, "--clip", 0, "--val-every", min(5, options.epochs)]
        words += ["-o", folder / "run"]
        try:
            command([str(word) for word in words])
        except SystemExit as stop:
            if stop.code:
                raise
        wsiseg.load_checkpoint(folder / "run" / "best.safetensors").save(options.output)
    checkpoint = wsiseg.load_checkpoint(options.output)
    card = describe_checkpoint(checkpoint, REMARKS)
    options.output.with_name("MODEL_CARD.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()

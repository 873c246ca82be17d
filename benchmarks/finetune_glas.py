"""Fine-tune ESPNet from its Cityscapes weights on GlaS, twice: from pictures and from polygons.

Every fifth picture by its number is for validation, the others are for training: 17 and 68.  The
second time the same pictures lie on one slide each for training and for validation, and their
masks are QuPath annotations on it.  Both are scored on the validation pictures.  With
``--defaults`` only the data, the resolution and the initial checkpoint are named, and all the rest
is what `wsiseg train` chooses.

    python benchmarks/finetune_glas.py --weights espnet_p_2_q_8.pth --root glas
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
import tifffile
from PIL import Image

from wsiseg.annotations import Annotation, polygonise, write_qupath
from wsiseg.cli.training_progress import ConsoleTrainingListener
from wsiseg.models.checkpoint import load_checkpoint
from wsiseg.models.importing import import_checkpoint
from wsiseg.training import DataOptions, EvaluateOptions, TrainOptions, fit, open_data
from wsiseg.training.evaluating import score

MPP = 0.62005
CELL = (576, 832)
COLUMNS = 8
WANTED, CLOSE = 0.90, 0.01

TUNED = {
    # A narrow decoder of its own: that of the streets has one channel per street class.
    "arguments": {"width": 5},
    "tile": 256,
    "tiles": 136,
    "batch": 8,
    "lr": 2e-3,
    "balance": 0.0,
    "val_every": 5,
}
"""Settings that were chosen by hand for these pictures."""


def split(root: Path) -> tuple[list[str], list[str]]:
    """Return the names of validation pictures, every fifth, and of training pictures."""
    names = sorted((p.stem for p in (root / "images").iterdir()), key=lambda n: int(n[6:]))
    validation = names[4::5]
    return validation, [name for name in names if name not in validation]


def write_mosaic(folder: Path, name: str, pictures: Sequence[str], root: Path) -> None:
    """Lay pictures out on one slide, and their masks as annotations beside it."""
    rows = -(-len(pictures) // COLUMNS)
    pixels = np.full((rows * CELL[0], COLUMNS * CELL[1], 3), 255, np.uint8)
    shapes = []
    for place, picture in enumerate(pictures):
        top, left = (place // COLUMNS) * CELL[0], (place % COLUMNS) * CELL[1]
        with Image.open(root / "images" / f"{picture}.png") as image:
            tile = np.asarray(image.convert("RGB"))
        with Image.open(root / "labels" / f"{picture}.png") as image:
            mask = np.asarray(image)
        height, width = mask.shape
        pixels[top : top + height, left : left + width] = tile
        shapes.append(Annotation("picture", shapely.box(left, top, left + width, top + height)))
        glands = polygonise((mask > 0).astype(np.uint8), origin=(top, left), ignored=0)
        shapes += [Annotation("gland", geometry) for _, geometry in glands]
    (folder / "slides").mkdir(exist_ok=True)
    (folder / "drawn").mkdir(exist_ok=True)
    tifffile.imwrite(
        folder / "slides" / f"{name}.tiff",
        pixels,
        tile=(256, 256),
        compression="deflate",
        photometric="rgb",
        resolution=(1e4 / MPP,) * 2,
        resolutionunit="CENTIMETER",
    )
    write_qupath(folder / "drawn" / f"{name}.geojson", shapes)


def main() -> None:
    """Train both, score both, and print the difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--epochs", type=int, help="30, or with --defaults those of train")
    parser.add_argument("--defaults", action="store_true", help="no setting but what has to be")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, help="keep the trainings here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        out = arguments.output or scratch
        init = import_checkpoint(arguments.weights, "espnet", "cityscapes").save(
            scratch / "streets.safetensors"
        )
        settings = {"init": init, "mpp": 2 * MPP, "slide_mpp": MPP, "threads": arguments.threads}
        if arguments.epochs is not None or not arguments.defaults:
            settings["epochs"] = arguments.epochs or 30
        if not arguments.defaults:
            settings |= TUNED
        folders = {"images": arguments.root / "images", "labels": arguments.root / "labels"}
        pictures = DataOptions(class_map="0=background,255=gland", **folders)
        validation, training = split(arguments.root)
        (scratch / "names.txt").write_text("\n".join(validation), encoding="utf-8")
        first = fit(
            TrainOptions(data=pictures, val_only=scratch / "names.txt", **settings),
            out / "pictures",
            overwrite=True,
            listener=ConsoleTrainingListener(quiet=False),
        )
        write_mosaic(scratch, "training", training, arguments.root)
        write_mosaic(scratch, "validation", validation, arguments.root)
        (scratch / "validation.txt").write_text("validation\n", encoding="utf-8")
        drawn = DataOptions(
            slides=scratch / "slides",
            annotations=scratch / "drawn",
            class_map="unannotated=background,gland=gland,picture=exhaustive",
        )
        second = fit(
            TrainOptions(data=drawn, val_only=scratch / "validation.txt", **settings),
            out / "mosaic",
            overwrite=True,
            listener=ConsoleTrainingListener(quiet=False),
        )
        samples = open_data(pictures.replace(only=scratch / "names.txt"))
        options = EvaluateOptions(slide_mpp=MPP)
        dice = [
            score(load_checkpoint(result.checkpoint), samples, options)["class_dice"]["gland"]
            for result in (first, second)
        ]
    minutes = [result.seconds / 60 for result in (first, second)]
    print(f"from pictures: gland Dice {dice[0]:.4f}, {minutes[0]:.1f} minutes ({WANTED} wanted)")
    print(f"from polygons: gland Dice {dice[1]:.4f}, {minutes[1]:.1f} minutes")
    count = len(validation)
    print(f"difference {abs(dice[0] - dice[1]):.4f} on {count} pictures ({CLOSE} allowed)")


if __name__ == "__main__":
    main()

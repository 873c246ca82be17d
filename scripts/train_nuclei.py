"""Train the bundled checkpoint, nuclei in H&E, and write its card.

The data are the pictures and masks of NuInsSeg (Mahbod et al., Scientific Data 2024,
10.1038/s41597-024-03117-2, CC BY 4.0), 512×512 pixels at 0.25 µm/px from 31 organs, as
``DATA/images/NUMBER.jpg`` and ``DATA/masks/NUMBER.png`` with 255 in nuclei.  The weights to begin
with are those of ESPNet's authors on Cityscapes (MIT).  Takes an hour and a quarter on two cores.

    python scripts/train_nuclei.py DATA/nuinsseg --weights espnet_p_2_q_8.pth -o nuclei/

The training is ``wsiseg train``, twice.  First with its defaults, on the pictures as they are; then
for some more epochs with glass around tissue as well, of which the data have little, and with
classes weighted, so that nuclei are found on slides that look unlike the pictures.  A weighted
mean of both is more robust than either (Wortsman et al., CVPR 2022): the first takes empty glass
for tissue, the second smooth tissue for glass.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image
from scipy import ndimage

import wsiseg
from wsiseg.cli.training_progress import ConsoleTrainingListener
from wsiseg.models.importing import import_checkpoint
from wsiseg.training.augmentation import balance_white, restain
from wsiseg.training.card import describe_checkpoint

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

FILE_MPP, MPP = 0.25, 0.5
CLASSES = {
    "map": {"0": "glass", "1": "tissue", "2": "nucleus", "255": "ignore"},
    "colours": {"glass": "#f2f2f5", "tissue": "#f4a8c4", "nucleus": "#2b3fd6"},
}

# Pictures come in the order of organs and slides, and neighbours are of one slide.  Where colours
# change, another slide begins: whole stretches between two such numbers are kept back.
KEPT_BACK = ((1, 12), (296, 363), (410, 449), (660, 665))

WHITE = 146
"""Grey level of empty places in these pictures; a scanner's is about 240."""

BRIGHTER = 1.36
"""Brings white half way to a scanner's; augmentation reaches both from there."""

FAINTEST = 0.06
"""Optical density of the palest tissue, in the channel that is darkest."""

SMALLEST = 1600
"""Pixels, 100 µm²: smaller gaps in tissue are tissue, smaller specks on glass are glass."""

UNSURE = 20_000
"""Pixels, 35 µm across: smaller glass at a picture's border may be a gap in tissue."""

ON_GLASS = 7
"""Every so many training pictures, one is put on glass for the second training."""

ABOUT = {
    "description": "nuclei in H&E sections of any organ",
    "licence": "CC BY 4.0",
    "citation": "Mahbod et al., Scientific Data 2024, doi:10.1038/s41597-024-03117-2",
}

REMARKS = """\
**This is not a medical device.** It finds nuclei in sections stained with haematoxylin and eosin,
of any organ, and tells tissue from glass. It is meant to begin with: to look at, to measure how
much of a tissue is nuclei, and to be fine-tuned (`wsiseg train --init nuclei`).

**It does not** separate nuclei that touch, so it counts nothing; tell kinds of cells apart; know
other stains; or find every nucleus out of focus, as the annotators often left those out. Nobody
annotated glass: it was derived from the pictures, as areas of at least 100 µm² with an optical
density below 0.06 that tissue does not enclose. Gaps, lumina and fat are tissue as far as the
network sees what is around them; wide ones are glass. Of skin, it takes some dark keratin for
nuclei, misses some nuclei of the epidermis, and takes some of its smooth parts for glass.

The data are NuInsSeg: Mahbod et al., *NuInsSeg: A fully annotated dataset for nuclei instance
segmentation in H&E-stained histological images*, Scientific Data 11, 2024,
[10.1038/s41597-024-03117-2](https://doi.org/10.1038/s41597-024-03117-2), zenodo 10518968, under
CC BY 4.0. Changed: reduced from 0.25 to 0.5 µm/px, instances merged to one class, glass derived.
The training began with the weights on Cityscapes of ESPNet's authors (Mehta et al., ECCV 2018,
MIT). The weights are under Apache-2.0, as the package, with that citation. Made by
`scripts/train_nuclei.py`: a third of one training by `wsiseg train`, and two thirds of another
that went on from it.
"""


def scanner_white(pixels: Pixels) -> Pixels:
    """Brighten a picture as a scanner would show it."""
    return balance_white(pixels, np.full(3, 240 / WHITE))


SHIFTS: dict[str, Callable[[Pixels], Pixels]] = {
    "as published (white is grey, 146)": lambda pixels: pixels,
    "as a scanner shows it (white 240)": scanner_white,
    "yellow light": lambda pixels: balance_white(pixels, np.array([1.6, 1.5, 1.25])),
    "blue light": lambda pixels: balance_white(pixels, np.array([1.35, 1.4, 1.64])),
    "stains 40 % weaker": lambda pixels: restain(scanner_white(pixels), np.array([0.6, 0.6, 1])),
    "stains 40 % stronger": lambda pixels: restain(scanner_white(pixels), np.array([1.4, 1.4, 1])),
    "more eosin, less haematoxylin": lambda pixels: restain(
        scanner_white(pixels), np.array([0.75, 1.3, 1])
    ),
    "more haematoxylin, less eosin": lambda pixels: restain(
        scanner_white(pixels), np.array([1.3, 0.7, 1])
    ),
    "out of focus (1.5 px of 0.25 µm)": lambda pixels: ndimage.gaussian_filter(
        scanner_white(pixels), (1.5, 1.5, 0)
    ),
}
"""What is done to the pictures kept back, to see how the network fares in other laboratories."""


def find_glass(pixels: Pixels, nuclei: Mask) -> Mask:
    """Return where a picture shows neither tissue nor nuclei, over areas large enough."""
    smooth = ndimage.gaussian_filter(pixels.astype(np.float32), (2, 2, 0))
    density = -np.log10(smooth.min(2).clip(1) / WHITE)
    glass = ndimage.binary_opening(density < FAINTEST, iterations=3)
    glass = ~drop_small(~drop_small(glass, SMALLEST), SMALLEST)
    return glass & ~ndimage.binary_dilation(nuclei, iterations=2)


def label(glass: Mask, nuclei: Mask) -> Pixels:
    """Return labels; gaps within tissue belong to it, as the tissue finder has it, too."""
    outside = ~ndimage.binary_fill_holes(~glass)
    unsure = outside & ~drop_small(outside, UNSURE)
    labels = np.select([nuclei, unsure, outside], [2, 255, 0], 1)
    return labels.astype(np.uint8)


def put_on_glass(
    pixels: Pixels, glass: Mask, nuclei: Mask, random: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Return a picture with glass around an irregular part of it, or glass alone, and labels."""
    height, width = nuclei.shape
    shape = (height, width, 3)
    light = WHITE * BRIGHTER * random.normal(1, 0.01, 3)
    shade = 1 + ndimage.zoom(random.normal(0, 0.01, (4, 4)), (height / 4, width / 4), order=3)
    empty = light * shade[..., None] + random.normal(0, random.uniform(0.3, 2), shape)
    waves = ndimage.zoom(random.normal(0, 1, (8, 8)), (height / 8, width / 8), order=3)
    covered = waves < np.quantile(waves, random.choice([0.0, 0.2, 0.4, 0.6]))
    share = ndimage.gaussian_filter(covered.astype(np.float32), 1.5)[..., None]
    mixed = share * pixels + (1 - share) * empty
    return mixed.clip(0, 255).astype(np.uint8), label(glass | ~covered, nuclei & covered)


def drop_small(mask: Mask, smallest: int) -> Mask:
    """Return a mask without its connected parts of fewer pixels."""
    parts, _ = ndimage.label(mask)
    large = np.bincount(parts.ravel()) >= smallest
    large[0] = False
    kept: Mask = large[parts]
    return kept


def prepare(data: Path, folder: Path) -> list[int]:
    """Write pictures, labels, and which of them are kept back or on glass; return all numbers."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    numbers = sorted(int(path.stem) for path in (data / "images").iterdir())
    training = [number for number in numbers if not is_kept_back(number)]
    random = np.random.default_rng(0)
    for number in numbers:
        with Image.open(data / "images" / f"{number}.jpg") as picture:
            pixels = np.asarray(picture.convert("RGB"))
        with Image.open(data / "masks" / f"{number}.png") as picture:
            nuclei = np.asarray(picture) > 0
        glass = find_glass(pixels, nuclei)
        if not is_kept_back(number):
            pixels = balance_white(pixels, np.full(3, BRIGHTER))
        write_pair(folder, f"{number}", pixels, label(glass, nuclei))
        if number in training[::ON_GLASS]:
            write_pair(folder, f"{number}-glass", *put_on_glass(pixels, glass, nuclei, random))
    write_names(folder / "kept_back.txt", filter(is_kept_back, numbers))
    write_names(folder / "on_glass.txt", [f"{number}-glass" for number in training[::ON_GLASS]])
    (folder / "classes.yaml").write_text(yaml.safe_dump(CLASSES), encoding="utf-8")
    return numbers


def write_pair(folder: Path, name: str, pixels: Pixels, labels: Pixels) -> None:
    """Write a picture and its labels."""
    Image.fromarray(pixels).save(folder / "images" / f"{name}.png", compress_level=1)
    Image.fromarray(labels).save(folder / "labels" / f"{name}.png")


def is_kept_back(number: int) -> bool:
    """Tell whether a picture is for validation."""
    return any(first <= number <= last for first, last in KEPT_BACK)


def write_names(path: Path, names: Iterable[object]) -> Path:
    """Write a list as `only` takes it."""
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return path


def labelled(folder: Path, pictures: str = "images", **chosen: Any) -> wsiseg.DataOptions:
    """Return the prepared pictures with their labels, or some of them."""
    return wsiseg.DataOptions(
        images=folder / pictures,
        labels=folder / "labels",
        class_map=str(folder / "classes.yaml"),
        **chosen,
    )


def train(
    folder: Path, init: Path, name: str, epochs: int, without: Path | None = None, **changes: Any
) -> Path:
    """Run ``wsiseg train`` once, and return the best checkpoint."""
    result = wsiseg.train(
        labelled(folder, without=without),
        init,
        folder / name,
        listener=ConsoleTrainingListener(quiet=False),
        mpp=MPP,
        slide_mpp=FILE_MPP,
        val_only=folder / "kept_back.txt",
        val_every=10,
        epochs=epochs,
        **changes,
    )
    return result.checkpoint


def score(checkpoint: Path, folder: Path, numbers: list[int]) -> Iterator[str]:
    """Yield the card's tables: the nucleus Dice by block, and under shifts of colour."""
    kept = [number for number in numbers if is_kept_back(number)]
    blocks = [("all kept back", kept)]
    blocks += [(f"{a} to {b}", [n for n in kept if a <= n <= b]) for a, b in KEPT_BACK]
    yield "## Nuclei in what was kept back\n\nDice over all pixels of the pictures named.\n"
    yield "| NuInsSeg pictures | how many | Dice |\n|---|---|---|"
    for name, part in blocks:
        yield f"| {name} | {len(part)} | {nucleus_dice(checkpoint, folder, part):.3f} |"
    yield "\n## The same, as other laboratories and scanners might show it\n"
    yield "| all pictures kept back | Dice |\n|---|---|"
    for name, shift in SHIFTS.items():
        shifted = folder / "shifted"
        shifted.mkdir(exist_ok=True)
        for number in kept:
            with Image.open(folder / "images" / f"{number}.png") as picture:
                changed = Image.fromarray(shift(np.asarray(picture)))
            changed.save(shifted / f"{number}.png", compress_level=1)
        yield f"| {name} | {nucleus_dice(checkpoint, folder, kept, 'shifted'):.3f} |"


def nucleus_dice(
    checkpoint: Path, folder: Path, numbers: list[int], pictures: str = "images"
) -> float:
    """Return the Dice coefficient of nuclei over all pixels of some pictures."""
    data = labelled(folder, pictures, only=write_names(folder / "scored.txt", numbers))
    scores = wsiseg.evaluate(data, checkpoint, slide_mpp=FILE_MPP, boundary=False)
    dice: float = scores["class_dice"]["nucleus"]
    return dice


def average(first: Path, second: Path, folder: Path) -> Path:
    """Write the mean of two checkpoints, the second weighing twice, with what it is for, scored."""
    before, checkpoint = wsiseg.load_checkpoint(first), wsiseg.load_checkpoint(second)
    weights = before.network.state_dict()
    for name, weight in checkpoint.network.state_dict().items():
        if weight.is_floating_point():
            weight.lerp_(weights[name], 1 / 3)
    scores = wsiseg.evaluate(
        labelled(folder, only=folder / "kept_back.txt"),
        checkpoint,
        slide_mpp=FILE_MPP,
        boundary=False,
    )
    metrics = {"val_miou": scores["miou"], "val_pixel_accuracy": scores["pixel_accuracy"]}
    metrics |= {f"iou {name}": iou for name, iou in scores["class_iou"].items()}
    checkpoint.card = checkpoint.card.model_copy(update={**ABOUT, "metrics": metrics})
    return checkpoint.save(folder / "nuclei.safetensors")


def write_card(checkpoint: Path, tables: str, folder: Path) -> None:
    """Write what the checkpoint is, and how good."""
    card = describe_checkpoint(wsiseg.load_checkpoint(checkpoint), f"{REMARKS}\n{tables}")
    (folder / "nuclei.md").write_text(card, encoding="utf-8")


def main() -> None:
    """Prepare the pictures, train, score, and write the checkpoint and its card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with images/ and masks/")
    parser.add_argument("--weights", type=Path, required=True, help="espnet_p_2_q_8.pth")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, nargs=2, default=(90, 20))
    options = parser.parse_args()
    out: Path = options.output
    numbers = prepare(options.data, out)
    streets = import_checkpoint(options.weights, "espnet", "cityscapes")
    init = streets.save(out / "streets.safetensors")
    epochs = options.epochs
    first = train(out, init, "first", epochs[0], without=out / "on_glass.txt")
    second = train(out, first, "second", epochs[1], lr=5e-4, loss="cross-entropy+dice")
    best = average(first, second, out)
    tables = "\n".join(score(best, out, numbers))
    print(tables)
    write_card(best, tables, out)


if __name__ == "__main__":
    main()

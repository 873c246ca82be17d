"""Pictures whose pixels tell where they lie, and masks beside them."""

from pathlib import Path

import numpy as np
from PIL import Image

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.annotations.pictures import PictureLabels
from wsiseg.classes import numbered_classes
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.training.datasets.dataset import DataSet, Sample


def placed(height: int, width: int, number: int = 0) -> Pixels:
    """Return pixels whose red is their row, green their column and blue a number."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, number)], 2).astype(np.uint8)


def striped(height: int, width: int, classes: int = 3) -> Labels:
    """Return labels in diagonal stripes, of which no two neighbours are alike."""
    rows, columns = np.mgrid[:height, :width]
    return ((rows + columns) % classes).astype(np.uint8)


def write_samples(folder: Path, *masks: Labels, classes: int = 3, ending: str = "png") -> DataSet:
    """Write a picture for each mask; 255 is ignored."""
    meanings = {**{label: label for label in range(classes)}, IGNORED: IGNORED}
    samples = []
    for number, mask in enumerate(masks):
        image, labels = folder / f"{number}.{ending}", folder / f"{number}-labels.{ending}"
        Image.fromarray(placed(*mask.shape, number)).save(image)
        Image.fromarray(mask).save(labels)
        samples.append(Sample(str(number), image, PictureLabels(labels, meanings)))
    return DataSet("painted", numbered_classes(classes), tuple(samples))


def touch(folder: Path, *names: str) -> Path:
    """Make empty files, of which only the names matter."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder

"""Folders of small pictures and masks to learn from."""

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from wsiseg.annotations import Annotation, polygonise, write_qupath
from wsiseg.training import DataOptions, open_data
from wsiseg.training.datasets.dataset import DataSet

CLASS_MAP = "0=ground,7=round,9=long"
NAMES = ("ground", "round", "long")
_COLOURS = np.array([[235, 225, 235], [150, 60, 140], [60, 120, 90]], np.float64)
_VALUES = np.array([0, 7, 9], np.uint8)


def draw(height: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture ``(H, W, 3)`` and its labels 0 to 2: a disc and a bar on the ground."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.uint8)
    cy, cx = random.uniform(0.25, 0.75, 2) * (height, width)
    labels[(y - cy) ** 2 + (x - cx) ** 2 < (min(height, width) * 0.22) ** 2] = 1
    left = int(random.integers(0, width * 3 // 4))
    labels[:, left : left + width // 6] = 2
    pixels = _COLOURS[labels] + random.normal(0, 6, (height, width, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8), labels


def write_pictures(
    folder: Path, count: int, shape: tuple[int, int] = (64, 64), seed: int = 0
) -> tuple[Path, Path]:
    """Write pictures and masks with the values of `CLASS_MAP`; return their folders."""
    images, labels = folder / "images", folder / "labels"
    for path in (images, labels):
        path.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels, truth = draw(*shape, seed=seed + number)
        Image.fromarray(pixels).save(images / f"p{number}.png")
        Image.fromarray(_VALUES[truth]).save(labels / f"p{number}.png")
    return images, labels


def open_pictures(folders: tuple[Path, Path], class_map: str = CLASS_MAP, **data: Path) -> DataSet:
    images, labels = folders
    return open_data(DataOptions(images=images, labels=labels, class_map=class_map, **data))


def write_slide(path: Path, pixels: np.ndarray, mpp: float = 0.5) -> None:
    tifffile.imwrite(
        path,
        pixels,
        tile=(64, 64),
        photometric="rgb",
        resolution=(1e4 / mpp,) * 2,
        resolutionunit="CENTIMETER",
    )


def write_annotated_slide(folder: Path, pixels: np.ndarray, labels: np.ndarray) -> DataOptions:
    """Write a slide and what QuPath would write of its labels; 255 is not annotated."""
    slides, drawn = folder / "slides", folder / "drawn"
    slides.mkdir()
    drawn.mkdir()
    write_slide(slides / "one.tiff", pixels)
    shapes = [Annotation(NAMES[value], shape) for value, shape in polygonise(labels)]
    write_qupath(drawn / "one.geojson", shapes)
    return DataOptions(
        slides=slides, annotations=drawn, class_map="ground=ground,round=round,long=long"
    )

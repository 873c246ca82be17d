"""Train the demonstration checkpoint that the package ships.

The data are three breast-biopsy tiles of 384×384 pixels that the authors of Y-Net published under
the MIT licence, with eight tissue classes painted by pathologists.  Two are trained on, the third
is kept back and scored.  Three tiles make a demonstration, not a model: see ``MODEL_CARD.md``.

The number at the end of a tile's name is how much it was reduced from the 40× scan, which we take
as 0.25 µm/px.

    python examples/train_demo_checkpoint.py DATA/breast_ynet -o breast-tissue.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.progress import track

import wsiseg
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.class_sets import BREAST_TISSUE

SCAN_MPP = 0.25
WORKING_MPP = 0.5
TRAINED_ON = ("1222_1_1200_4800_4", "1529_1_6000_3000_1.33")
KEPT_BACK = "1222_1_7200_3600_2"
CROP = 256
BATCH = 8


def read_tile(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return image ``(H, W, 3)`` and labels ``(H, W)``, uint8, at the working resolution."""
    image = Image.open(folder / "trainrgb" / f"{name}.png").convert("RGB")
    labels = Image.open(folder / "trainannot" / f"{name}.png").convert("L")
    zoom = SCAN_MPP * float(name.rsplit("_", 1)[1]) / WORKING_MPP
    size = (round(image.width * zoom), round(image.height * zoom))
    return (
        np.asarray(image.resize(size, Image.Resampling.BICUBIC)),
        np.asarray(labels.resize(size, Image.Resampling.NEAREST)),
    )


def cut(
    image: np.ndarray, labels: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a random square at a random scale, turn, flip, blur and re-stain it.

    The tiles hold next to no bare glass, so some of it is painted in as background.
    """
    edge = min(round(CROP * random.uniform(0.6, 1.5)), *labels.shape)
    y, x = (int(random.integers(0, side - edge + 1)) for side in labels.shape)
    pixels = Image.fromarray(image[y : y + edge, x : x + edge])
    if random.random() < 0.4:
        small = round(edge * random.uniform(0.4, 0.9))
        pixels = pixels.resize((small, small), Image.Resampling.BILINEAR)
    pixels = np.asarray(pixels.resize((CROP, CROP), Image.Resampling.BILINEAR))
    target = Image.fromarray(labels[y : y + edge, x : x + edge])
    target = np.asarray(target.resize((CROP, CROP), Image.Resampling.NEAREST))
    turns = int(random.integers(4))
    pixels, target = np.rot90(pixels, turns), np.rot90(target, turns)
    if random.random() < 0.5:
        pixels, target = pixels[:, ::-1], target[:, ::-1]
    density = -np.log((pixels.astype(np.float32) + 1) / 256)
    stained = density * random.uniform(0.6, 1.5, 3) + random.uniform(-0.05, 0.05, 3)
    pixels, target = np.exp(-stained) * 256 - 1, target.copy()
    if random.random() < 0.3:
        glass = draw_glass(random)
        colour = random.uniform(228, 252) + random.uniform(-4, 4, 3)
        pixels[glass] = colour + random.normal(0, random.uniform(0, 3), (int(glass.sum()), 3))
        target[glass] = 0
    return np.clip(pixels, 0, 255).astype(np.uint8), target


def draw_glass(random: np.random.Generator) -> np.ndarray:
    """Return a mask of one side of a wavy line through the crop."""
    y, x = np.mgrid[:CROP, :CROP] / CROP - 0.5
    angle, shift = random.uniform(0, 2 * np.pi), random.uniform(-0.35, 0.35)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    wave = 0.06 * np.sin(random.uniform(4, 20) * along + random.uniform(0, 6))
    return across + wave > shift


def score(checkpoint: Checkpoint, image: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the pixel accuracy and the IoU of every class that the tile holds."""
    with torch.no_grad():
        logits = checkpoint.network(checkpoint.preprocess(torch.from_numpy(image.copy())[None]))
    found = logits.argmax(1)[0].numpy()
    scores = {"pixel_accuracy": float((found == labels).mean())}
    for index, entry in enumerate(checkpoint.classes):
        inside, hit = labels == index, found == index
        if inside.any():
            scores[f"iou {entry.name}"] = float((inside & hit).sum() / (inside | hit).sum())
    return {name: round(value, 4) for name, value in scores.items()}


def train(data: Path, steps: int, seed: int) -> Checkpoint:
    """Train from scratch with Adam, cosine decay and inverse class probability weights."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    tiles = [read_tile(data, name) for name in TRAINED_ON]
    network = wsiseg.models.create_model("espnet", classes=len(BREAST_TISSUE), alpha3=5).train()
    card = CheckpointCard(
        architecture="espnet",
        arguments={"alpha2": 2, "alpha3": 5, "skip": "test"},
        classes=tuple(ClassEntry(name=c.name, colour=c.colour) for c in BREAST_TISSUE),
        mpp=WORKING_MPP,
        training={"tiles": list(TRAINED_ON), "kept_back": KEPT_BACK, "steps": steps, "seed": seed},
    )
    counts = sum(np.bincount(labels.ravel(), minlength=len(BREAST_TISSUE)) for _, labels in tiles)
    weights = torch.from_numpy(1 / np.log(1.1 + counts / counts.sum())).float()
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in track(range(steps), "training"):
        # The tile with two kinds of tissue is seen three times as often as the one with stroma.
        pairs = [cut(*tiles[int(random.random() < 0.25)], random) for _ in range(BATCH)]
        pixels = torch.from_numpy(np.stack([p for p, _ in pairs]))
        target = torch.from_numpy(np.stack([t for _, t in pairs])).long()
        loss = F.cross_entropy(network(card.normalisation.apply(pixels)), target, weights)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    checkpoint = Checkpoint(card, network)
    metrics = score(checkpoint, *read_tile(data, KEPT_BACK))
    return Checkpoint(card.model_copy(update={"metrics": metrics}), network)


def main() -> None:
    """Read the command line, train, save, and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with trainrgb/ and trainannot/")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    checkpoint = train(options.data, options.steps, options.seed)
    checkpoint.save(options.output)
    for name, value in checkpoint.card.metrics.items():
        print(f"{name:28} {value:.3f}")


if __name__ == "__main__":
    main()

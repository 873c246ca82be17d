"""Train a network on street scenes in CamVid's layout, score it, and label pictures with it.

    python examples/04_street_scenes.py -o out/

The scenes are painted here: sky, road and cars. With CamVid itself, leave out `paint_set` and name
its folder as `root`.
"""

import argparse

# --8<-- [start:paint]
from pathlib import Path

import numpy as np
from PIL import Image

import wsiseg

SKY, ROAD, CAR = 0, 3, 8
COLOURS = {SKY: (150, 190, 230), ROAD: (90, 90, 95), CAR: (170, 40, 40)}


def paint_set(root: Path, rng: np.random.Generator) -> None:
    """Write a set: folders of pictures and labels, and lists of both."""
    for split, count in (("train", 8), ("val", 2), ("test", 2)):
        lines = []
        for number in range(count):
            labels = np.full((120, 160), SKY, np.uint8)
            labels[50:] = ROAD
            x, y = rng.integers(0, 120), rng.integers(45, 90)
            labels[y : y + 25, x : x + 40] = CAR
            pixels = np.zeros((*labels.shape, 3))
            for label, colour in COLOURS.items():
                pixels[labels == label] = colour
            pixels += rng.normal(0, 12, pixels.shape)
            names = (f"{split}/{number}.png", f"{split}annot/{number}.png")
            for name, picture in zip(names, (pixels.clip(0, 255), labels), strict=True):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture.astype(np.uint8)).save(root / name)
            lines.append(" ".join(f"/SegNet/CamVid/{name}" for name in names))
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


# --8<-- [end:paint]


def main(folder: Path) -> float:
    """Return the mean IoU on the test pictures."""
    root = folder / "CamVid"
    paint_set(root, np.random.default_rng(0))
    data = wsiseg.DataOptions(dataset="camvid", root=root)
    settings = {"model": "espnet-c", "epochs": 8, "tiles": 64, "tile": 96, "lr": 0.005, "seed": 0}
    run = wsiseg.train(data, None, folder / "run", **settings)
    scores = wsiseg.evaluate(data.replace(split="test"), run.checkpoint, boundary=False)
    print(f"mean IoU {scores['miou']:.3f} on {scores['images']} pictures")
    for found in wsiseg.predict(root / "test", run.checkpoint, folder / "labelled"):
        print(found.labels, found.shares)
    return float(scores["miou"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out"))
    main(parser.parse_args().output)

"""Learn glands from five small fields, once from a checkpoint and once from scratch.

Five fields of GlaS, 256 working pixels wide, are what somebody annotates in half an hour.  The
same training, `wsiseg train` as it is but for a few steps, starts once from a checkpoint of another
task and once from random weights, with several seeds.  All are scored on every fifth picture by
its number, of which none gave a field.  Glands are looked at from farther away than nuclei: at
1.24 µm/px, twice the 0.62 of the pictures, as `finetune_glas.py` does.

    python benchmarks/few_fields.py --root glas
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import wsiseg
from wsiseg import Checkpoint, DataOptions, TrainOptions
from wsiseg.cli.training_progress import ConsoleTrainingListener
from wsiseg.training import fit

MPP = 0.62005
FIELDS, EDGE = 5, 256
CLASS_MAP = "0=background,255=gland"


def split(root: Path) -> tuple[list[str], list[str]]:
    """Return the names of pictures to score, every fifth, and of those that give fields."""
    names = sorted((path.stem for path in (root / "images").iterdir()), key=lambda n: int(n[6:]))
    scored = names[4::5]
    others = [name for name in names if name not in scored]
    # Spread over the set, which is in the order of the patients' grades.
    return scored, [others[len(others) * number // FIELDS] for number in range(FIELDS)]


def cut_fields(root: Path, folder: Path, names: list[str], mpp: float) -> DataOptions:
    """Cut the middle out of pictures and their masks."""
    edge = round(EDGE * mpp / MPP)
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
        for name in names:
            with Image.open(root / kind / f"{name}.png") as whole:
                left, top = ((size - edge) // 2 for size in whole.size)
                field = whole.crop((left, top, left + edge, top + edge))
            if kind == "labels":
                # Any number is a gland.
                field = Image.fromarray((np.asarray(field) > 0).astype(np.uint8) * 255)
            field.save(folder / kind / f"{name}.png")
    return DataOptions(images=folder / "images", labels=folder / "labels", class_map=CLASS_MAP)


def train_both(
    fields: DataOptions, init: str, checkpoint: Checkpoint, folder: Path, **settings: object
) -> list[Path]:
    """Train from the checkpoint and from scratch; return both results."""
    same = {"model": checkpoint.card.architecture, "arguments": checkpoint.card.arguments}
    results = []
    for name, start in (("tuned", {"init": init}), ("scratch", same)):
        options = TrainOptions(data=fields, slide_mpp=MPP, **start, **settings)
        listener = ConsoleTrainingListener(quiet=True)
        results.append(fit(options, folder / name, overwrite=True, listener=listener).checkpoint)
    return results


def main() -> None:
    """Train with every seed, score all, and print the Dice of glands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="GlaS, as images/ and labels/")
    parser.add_argument("--init", default="nuclei", help="nuclei, which is bundled, or a file")
    parser.add_argument("--mpp", type=float, default=2 * MPP)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--tiles", type=int, default=16, help="an epoch")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    checkpoint = wsiseg.load_checkpoint(arguments.init)
    origin = Path(arguments.init).stem
    scored, given = split(arguments.root)
    dice: dict[str, list[float]] = {"tuned": [], "scratch": []}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        fields = cut_fields(arguments.root, scratch, given, arguments.mpp)
        (scratch / "scored.txt").write_text("\n".join(scored), encoding="utf-8")
        rest = DataOptions(
            images=arguments.root / "images",
            labels=arguments.root / "labels",
            class_map=CLASS_MAP,
            only=scratch / "scored.txt",
        )
        for seed in range(arguments.seeds):
            found = wsiseg.compare(
                rest,
                train_both(
                    fields,
                    arguments.init,
                    checkpoint,
                    scratch / str(seed),
                    mpp=arguments.mpp,
                    epochs=arguments.epochs,
                    tiles=arguments.tiles,
                    seed=seed,
                    threads=arguments.threads,
                )[::-1],
                slide_mpp=MPP,
                boundary=False,
                threads=arguments.threads,
            )
            (tuned,) = found["compared"]
            dice["scratch"].append(found["class_dice"]["gland"])
            dice["tuned"].append(tuned["class_dice"]["gland"])
            gap = tuned["difference"]["class_dice"]["gland"]
            print(
                f"seed {seed}: from {origin} {dice['tuned'][-1]:.4f}, from scratch "
                f"{dice['scratch'][-1]:.4f}, difference {gap['value']:+.4f} "
                f"({gap['low']:+.4f} to {gap['high']:+.4f})",
                flush=True,
            )
    tuned_mean, scratch_mean = (statistics.mean(dice[key]) for key in ("tuned", "scratch"))
    print(
        f"gland Dice on {len(scored)} pictures, mean of {arguments.seeds} seeds, {FIELDS} fields "
        f"at {arguments.mpp:g} µm/px, {arguments.epochs} epochs of {arguments.tiles} tiles: "
        f"from {origin} {tuned_mean:.4f}, from scratch {scratch_mean:.4f}, "
        f"difference {tuned_mean - scratch_mean:+.4f}, ratio {tuned_mean / scratch_mean:.2f}"
    )


if __name__ == "__main__":
    main()

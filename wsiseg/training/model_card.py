"""A checkpoint's card as a page to read."""

from __future__ import annotations

import math
from collections.abc import Mapping

from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.profiling import count_parameters


def describe_checkpoint(checkpoint: Checkpoint, remarks: str = "") -> str:
    """Return Markdown that says what a trained checkpoint is, and how good.

    Parameters
    ----------
    checkpoint : Checkpoint
        As ``wsiseg train`` leaves it.
    remarks : str
        Markdown on what the checkpoint itself cannot know: terms, origin, limits.
    """
    card, training = checkpoint.card, checkpoint.card.training
    settings = ", ".join(f"{key} = {value}" for key, value in card.arguments.items())
    norm = card.normalisation
    facts = {
        "architecture": f"{card.architecture}{f' ({settings})' if settings else ''}, "
        f"{count_parameters(checkpoint.network):,} parameters",
        "classes": ", ".join(entry.name for entry in card.classes),
        "resolution": "pictures as they are" if card.mpp is None else f"{card.mpp:g} µm/px",
        "input": f"{norm.order}, mean {_triple(norm.mean)}, deviation {_triple(norm.std)}",
        "trained on": _listed(training.get("samples")),
        "kept back": _listed(training.get("kept_back")),
        "began with": training.get("began_with") or "random weights",
        "recipe": f"{training.get('recipe')}, {training.get('epochs')} epochs, the best after "
        f"{training.get('epoch')}, batches of {training.get('batch')}, learning rate "
        f"{training.get('lr')}, seed {training.get('seed')}",
        "made by": training.get("program"),
    }
    title = checkpoint.path.name if checkpoint.path else card.architecture
    metrics = {_score_name(name): _figure(value) for name, value in card.metrics.items()}
    parts = [f"# {title}", remarks.strip(), _table(facts)]
    parts += ["## Scores on what was kept back", _table(metrics)]
    pixels = training.get("pixels")
    if isinstance(pixels, dict):
        parts.append("## Working pixels to learn from")
        parts.append(_table({name: f"{count:,}" for name, count in pixels.items()}))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: Mapping[str, object]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {n} | {value} |" for n, value in rows.items())])


def _listed(names: object) -> str:
    """Return names in code type; of many only how many there are."""
    if not isinstance(names, list):
        return "not known"
    if len(names) > 12:
        return f"{len(names)} samples"
    return ", ".join(f"`{name}`" for name in names)


def _score_name(name: str) -> str:
    return {"val_miou": "mean IoU", "val_pixel_accuracy": "pixel accuracy"}.get(
        name, name.replace("iou ", "IoU ", 1)
    )


def _figure(value: float) -> str:
    return "neither there nor predicted" if math.isnan(value) else f"{value:.3f}"


def _triple(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in values)

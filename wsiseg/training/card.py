"""What a trained checkpoint says of itself, for programs and as a page to read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version

from wsiseg.models.card import CheckpointCard, ClassEntry
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.profiling import count_parameters
from wsiseg.text import plural
from wsiseg.training.data_module import BatchPlan
from wsiseg.training.initialising import InitialNetwork
from wsiseg.training.options import TrainOptions
from wsiseg.training.recipes.recipe import Stage
from wsiseg.training.training_data import TrainingData


class CardMaker:
    """Makes a checkpoint's card from the scores of an epoch.

    Parameters
    ----------
    options : TrainOptions
        What the user asked for.
    stage : Stage
        What is being trained, and how.
    initial : InitialNetwork
        The network before its first step, and where its weights come from.
    data : TrainingData
        The samples that it is trained and validated on.
    batches : BatchPlan
        How they are cut into batches.
    """

    def __init__(
        self,
        options: TrainOptions,
        stage: Stage,
        initial: InitialNetwork,
        data: TrainingData,
        batches: BatchPlan,
    ) -> None:
        self._facts: dict[str, object] = {
            "program": f"wsiseg {version('wsiseg')}",
            "data": data.training.name,
            # Numbers, not names: a checkpoint is passed on, and names may be those of cases.
            "samples": len(data.training.samples),
            "validation_samples": len(data.validation.samples),
            "pixels": {
                c.name: int(p)
                for c, p in zip(data.training.classes, data.survey.pixels, strict=True)
            },
            "scale": data.resolution.scale,
            "slide_mpp": data.resolution.slide_mpp,
            "icc": options.data.icc,
            "stain": options.data.stain,
            "recipe": options.recipe,
            "loss": options.loss,
            "epochs": stage.epochs,
            "batch": stage.batch,
            "lr": stage.lr,
            "ema": stage.ema,
            "clip": stage.clip,
            "tile": list(batches.tile),
            "tiles": batches.sampling.tiles,
            "augment": batches.augmentation,
            "balance": batches.balance,
            "workers": batches.workers,
            "seed": options.seed,
            "began_with": initial.origin,
            "warnings": list(data.warnings),
        }
        self._initial = initial
        self._mpp = data.mpp
        self._classes = data.training.classes

    def __call__(self, scores: dict[str, float], epoch: int) -> CheckpointCard:
        """Return the card of the network as it was after an epoch."""
        return CheckpointCard(
            architecture=self._initial.architecture,
            arguments=self._initial.arguments,
            classes=tuple(ClassEntry(name=c.name, colour=c.colour) for c in self._classes),
            mpp=self._mpp,
            normalisation=self._initial.normalisation,
            training={**self._facts, "epoch": epoch},
            metrics=scores,
        )


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
    # Checkpoints of earlier versions call it otherwise.
    validation = training.get("validation_samples", training.get("kept_back"))
    settings = ", ".join(f"{key} = {value}" for key, value in card.arguments.items())
    norm = card.normalisation
    facts = {
        "made for": card.description,
        "architecture": f"{card.architecture}{f' ({settings})' if settings else ''}, "
        f"{count_parameters(checkpoint.network):,} parameters",
        "classes": ", ".join(entry.name for entry in card.classes),
        "resolution": _resolution(checkpoint),
        "input": f"{norm.order}, mean {_triple(norm.mean)}, deviation {_triple(norm.std)}",
        "training data": f"{_samples(training.get('samples'))} of {training.get('data')}",
        "validation data": _samples(validation) if validation else "none",
        "licence of the data": card.licence,
        "to be cited": card.citation,
        "initial weights": training.get("began_with") or "random",
        "recipe": f"{training.get('recipe')}, {training.get('epochs')} epochs, the best after "
        f"{training.get('epoch')}, batches of {training.get('batch')}, learning rate "
        f"{training.get('lr')}, seed {training.get('seed')}",
        "made by": training.get("program"),
    }
    title = checkpoint.path.name if checkpoint.path else card.architecture
    metrics = {_score_name(name): _figure(value) for name, value in card.metrics.items()}
    known = {name: fact for name, fact in facts.items() if fact != ""}
    parts = [f"# {title}", remarks.strip(), _table(known)]
    scored = "training" if validation == 0 else "validation"
    parts += [f"## Scores on the {scored} data", _table(metrics)]
    pixels = training.get("pixels")
    if isinstance(pixels, dict):
        parts.append("## Working pixels of the training data")
        parts.append(_table({name: f"{count:,}" for name, count in pixels.items()}))
    return "\n\n".join(part for part in parts if part) + "\n"


def _resolution(checkpoint: Checkpoint) -> str:
    if checkpoint.mpp is not None:
        return f"{checkpoint.mpp:g} µm/px"
    if checkpoint.scale is not None:
        return f"pictures at {checkpoint.scale:g} of their size"
    return "pictures as they are"


def _samples(number: object) -> str:
    return plural(number, "sample") if isinstance(number, int) else "samples"


def _table(rows: Mapping[str, object]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {n} | {value} |" for n, value in rows.items())])


def _score_name(name: str) -> str:
    return {"val_miou": "mean IoU", "val_pixel_accuracy": "pixel accuracy"}.get(
        name, name.replace("iou ", "IoU ", 1)
    )


def _figure(value: float) -> str:
    return "neither present nor predicted" if math.isnan(value) else f"{value:.3f}"


def _triple(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in values)

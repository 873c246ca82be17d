"""What a trained checkpoint says of itself."""

from __future__ import annotations

from importlib.metadata import version

from wsiseg.models.checkpoint import CheckpointCard, ClassEntry
from wsiseg.training.material import Material
from wsiseg.training.options import TrainOptions
from wsiseg.training.recipes import Stage
from wsiseg.training.starting import Start


class CardMaker:
    """Makes a checkpoint's card from the scores of an epoch.

    Parameters
    ----------
    options : TrainOptions
        What the user asked for.
    stage : Stage
        What is being trained, and how.
    first : Start
        What it began with.
    material : Material
        What it learns from.
    """

    def __init__(
        self, options: TrainOptions, stage: Stage, first: Start, material: Material
    ) -> None:
        self._facts: dict[str, object] = {
            "program": f"wsiseg {version('wsiseg')}",
            "data": material.training.name,
            "samples": [s.name for s in material.training.samples],
            "kept_back": [s.name for s in material.kept.samples],
            "pixels": {
                c.name: int(p)
                for c, p in zip(material.training.classes, material.survey.pixels, strict=True)
            },
            "recipe": options.recipe,
            "epochs": stage.epochs,
            "batch": stage.batch,
            "lr": stage.lr,
            "seed": options.seed,
            "began_with": first.origin,
        }
        self._first = first
        self._mpp = material.mpp
        self._classes = material.training.classes

    def __call__(self, scores: dict[str, float], epoch: int) -> CheckpointCard:
        """Return the card of the network as it was after an epoch."""
        return CheckpointCard(
            architecture=self._first.architecture,
            arguments=self._first.arguments,
            classes=tuple(ClassEntry(name=c.name, colour=c.colour) for c in self._classes),
            mpp=self._mpp,
            normalisation=self._first.normalisation,
            training={**self._facts, "epoch": epoch},
            metrics=scores,
        )

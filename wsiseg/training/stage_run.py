"""One stage of a recipe: adjusted to the user's numbers, described, and trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lightning.pytorch.callbacks import Callback
from torch import nn

from wsiseg.models.profiling import count_parameters
from wsiseg.models.registry import create_model
from wsiseg.text import plural
from wsiseg.training.callbacks import CheckpointCallback, Patience, average_weights, last_checkpoint
from wsiseg.training.card import CardMaker
from wsiseg.training.data_module import BatchPlan, SegmentationDataModule, plan_batches
from wsiseg.training.initialising import InitialNetwork
from wsiseg.training.listener import TrainingListener
from wsiseg.training.losses import LOSSES
from wsiseg.training.losses.class_weights import inverse_log_weights
from wsiseg.training.options import TrainOptions
from wsiseg.training.recipes.recipe import Pixels, Recipe, Stage
from wsiseg.training.resuming import check_state
from wsiseg.training.run_folder import RunFolder
from wsiseg.training.task import SegmentationTask
from wsiseg.training.trainer import (
    is_main_process,
    make_trainer,
    silence_lightning,
    translate_errors,
)
from wsiseg.training.training_data import TrainingData


def adjust_stage(stage: Stage, options: TrainOptions) -> Stage:
    """Put the user's numbers in place of the recipe's.

    Parameters
    ----------
    stage : Stage
        As the recipe has it.
    options : TrainOptions
        The user's settings.
    """
    given: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("epochs", "batch", "lr", "ema", "clip")
        if getattr(options, name) is not None
    }
    if options.loss != "recipe":
        given["loss"] = _make_loss(options.loss)
    return replace(stage, **given)


def _make_loss(name: str) -> Callable[[Pixels, Sequence[str]], nn.Module]:
    def make(pixels: Pixels, _classes: Sequence[str]) -> nn.Module:
        return LOSSES[name](inverse_log_weights(pixels))

    return make


@dataclass(frozen=True)
class StageRun:
    """Everything that the training of one stage needs.

    Attributes
    ----------
    options : TrainOptions
        The user's settings.
    recipe : Recipe
        The whole recipe.
    stage : Stage
        With the user's numbers.
    initial : InitialNetwork
        Where it begins.
    data : TrainingData
        Of all stages.
    folder : RunFolder
        Gets its checkpoints and metrics.
    """

    options: TrainOptions
    recipe: Recipe
    stage: Stage
    initial: InitialNetwork
    data: TrainingData
    folder: RunFolder


def train_stage(work: StageRun, listener: TrainingListener, *, resume: bool) -> None:
    """Train one stage, from ``last.ckpt`` if it exists and the run is resumed.

    Parameters
    ----------
    work : StageRun
        What is trained, on what, and where the results go.
    listener : TrainingListener
        Receives progress and notes.
    resume : bool
        Continue after the last finished epoch.

    Raises
    ------
    TrainingError
        As :func:`wsiseg.training.fit`.
    """
    options, stage, initial, data = work.options, work.stage, work.initial, work.data
    batches = plan_batches(options, work.recipe, stage, initial.network.input_multiple, data)
    for line in (*_describe(work, batches), *initial.notes):
        listener.noted(line)
    task = SegmentationTask(
        initial.network,
        initial.normalisation,
        stage,
        stage.loss(data.survey.pixels, [entry.name for entry in data.training.classes]),
        steps_per_epoch=lambda world: len(batches.sampler(0, world)),
        seed=options.seed,
        frozen=initial.frozen,
    )
    classes = data.training.classes
    checkpoints = CheckpointCallback(
        work.folder,
        CardMaker(options, stage, initial, data, batches),
        create_model(initial.architecture, len(classes), **initial.arguments),
        tuple(entry.name for entry in classes),
        val_every=options.val_every,
        digest=data.survey.digest,
        listener=listener,
    )
    callbacks: list[Callback] = [checkpoints]
    if stage.ema:
        # After the checkpoint callback, which saves averaged weights before they are put aside.
        callbacks.append(average_weights(stage.ema))
    if options.patience is not None:
        callbacks.append(Patience(options.patience))
    last = work.folder.last if resume and work.folder.last.exists() else None
    if last is not None:
        check_state(last, task)
    elif resume:
        listener.noted("no epoch had finished; training starts anew")
    try:
        with silence_lightning(), translate_errors():
            callbacks.append(last_checkpoint(work.folder))
            trainer = make_trainer(options, stage, callbacks, work.folder.path)
            trainer.fit(
                task,
                datamodule=SegmentationDataModule(batches),
                ckpt_path=last,
                weights_only=True,
            )
    finally:
        if is_main_process():
            work.folder.draw_curves()


def _describe(work: StageRun, batches: BatchPlan) -> Iterator[str]:
    """Yield what is about to be done, in a few lines."""
    stage, initial, data = work.stage, work.initial, work.data
    height, width = batches.tile
    counts = [
        f"{plural(len(part.samples), f'{name} sample')}"
        for name, part in (("training", data.training), ("validation", data.validation))
    ]
    yield f"{' and '.join(counts)}, {_describe_size(data)}"
    total = data.survey.pixels.sum()
    yield "classes: " + ", ".join(
        f"{entry.name} {pixels / total:.1%}"
        for entry, pixels in zip(data.training.classes, data.survey.pixels, strict=True)
    )
    yield (
        f"training the {'encoder' if stage.encoder else 'network'}: {initial.architecture}, "
        f"{count_parameters(initial.network):,} parameters, recipe {work.recipe.name}, tiles of "
        f"{width}×{height}, {stage.batch} at a time, augmentation {batches.augmentation}"
    )


def _describe_size(data: TrainingData) -> str:
    if data.mpp is not None:
        return f"at {data.mpp:g} µm/px"
    scale = data.resolution.scale
    return "as they are" if scale in (None, 1) else f"at {scale:g} of their size"

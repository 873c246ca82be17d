"""The job: samples with labels in, a checkpoint out."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback

from wsiseg.errors import ArgumentError, TrainingError, WsisegError
from wsiseg.models.checkpoint import Checkpoint, load_checkpoint
from wsiseg.models.registry import create_model
from wsiseg.training.card import CardMaker
from wsiseg.training.feeding import FeedModule, make_feed
from wsiseg.training.keeping import (
    ENCODER,
    Keeper,
    Patience,
    RunFolder,
    average_weights,
    keep_last,
)
from wsiseg.training.listener import TrainingListener
from wsiseg.training.material import Material, gather
from wsiseg.training.options import TrainOptions
from wsiseg.training.recipes import Recipe, Stage, find_recipe
from wsiseg.training.starting import Start, freeze_encoder, start
from wsiseg.training.task import SegmentationTask

_PRECISIONS = {"fp32": "32-true", "fp16": "16-mixed", "bf16": "bf16-mixed"}
_ACCELERATORS = {"cuda": "gpu"}


@dataclass(frozen=True)
class TrainResult:
    """What a training left behind.

    Attributes
    ----------
    checkpoint : Path
        The best network.
    miou : float
        Its mean IoU on what was kept back.
    epochs : int
        Epochs of the last stage.
    seconds : float
        All in all.
    """

    checkpoint: Path
    miou: float
    epochs: int
    seconds: float


def train(
    options: TrainOptions,
    folder: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    listener: TrainingListener | None = None,
) -> TrainResult:
    """Train or fine-tune a network.

    Parameters
    ----------
    options : TrainOptions
        What to learn from, and how.
    folder : path-like
        Gets ``best.safetensors``, ``last.ckpt``, ``metrics.csv``, ``curves.png``, ``config.yaml``.
    resume : bool
        Go on after the last epoch that was finished, as if nothing had happened.
    overwrite : bool
        Replace a training that stands there.
    listener : TrainingListener, optional
        Hears how it goes.

    Raises
    ------
    DataSetError, AnnotationError, SlideError
        If pictures and labels do not fit, before anything is learnt.
    ArgumentError, CheckpointError
        If the settings make no sense.
    OutputExistsError
        If a training stands in the folder.
    """
    begun = time.monotonic()
    heard = listener or TrainingListener()
    run = RunFolder(Path(folder))
    recipe = find_recipe(options.recipe)
    # Weight decay and small gradients leave numbers that a CPU computes ten times slower with;
    # only threads that start later inherit it.
    torch.set_flush_denormal(True)
    run.prepare(resume=resume, overwrite=overwrite)
    if resume and run.config.exists():
        _refuse_changes(options, TrainOptions.load(run.config))
    material = gather(options, heard)
    options.save(run.config)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    before: Checkpoint | None = None
    keeper: Keeper | None = None
    for planned in recipe.stages:
        last = planned is recipe.stages[-1]
        place = run if last else run.within(ENCODER)
        if not last and resume and run.last.exists():
            # A later stage has begun, so this one is done.
            before = load_checkpoint(place.best)
            continue
        heard.began(f"training the {'encoder' if planned.encoder else 'network'}")
        stage = _adjust(planned, options)
        first = start(options, stage, material.training.classes, before)
        for note in first.notes:
            heard.noted(note)
        work = _Work(options, recipe, stage, first, material, place)
        keeper = _fit(work, heard, standing=place.last if resume else None)
        before = load_checkpoint(place.best)
    assert keeper is not None
    return TrainResult(run.best, keeper.best, len(keeper.rows), time.monotonic() - begun)


def _refuse_changes(options: TrainOptions, before: TrainOptions) -> None:
    """Raise if a training would go on as another one."""
    for name in TrainOptions.model_fields:
        old, new = getattr(before, name), getattr(options, name)
        # What only says where the work is done changes nothing.
        if old != new and name not in _FREE:
            raise ArgumentError(
                f"the training that stands has {name} {old}, not {new}",
                f"--{name.replace('_', '-')}",
                "Go on with the same settings, or train anew in another folder.",
            )


_FREE = ("workers", "threads")


@dataclass(frozen=True)
class _Work:
    """One stage, everything that it needs."""

    options: TrainOptions
    recipe: Recipe
    stage: Stage
    first: Start
    material: Material
    folder: RunFolder


def _fit(work: _Work, listener: TrainingListener, *, standing: Path | None) -> Keeper:
    """Train one stage, going on from a file if it is there."""
    network, multiple = work.first.network, work.first.network.input_multiple
    feed = make_feed(work.options, work.recipe, work.stage, multiple, work.material)
    task = SegmentationTask(
        network,
        work.first.normalisation,
        work.stage,
        work.stage.loss(work.material.survey.pixels),
        steps_per_epoch=len(FeedModule(feed).train_dataloader()),
        seed=work.options.seed,
        frozen=freeze_encoder(network) if work.options.freeze_encoder else None,
    )
    classes = work.material.training.classes
    keeper = Keeper(
        work.folder,
        CardMaker(work.options, work.stage, work.first, work.material),
        create_model(work.first.architecture, len(classes), **work.first.arguments),
        tuple(entry.name for entry in classes),
        listener,
    )
    if standing is not None and not standing.exists():
        listener.noted("no epoch was finished before; beginning anew")
        standing = None
    try:
        with _quiet():
            trainer = _make_trainer(work, keeper)
            trainer.fit(task, datamodule=FeedModule(feed), ckpt_path=standing, weights_only=True)
    except SystemExit as stop:
        # What Lightning makes of an interruption.
        raise KeyboardInterrupt from stop
    except WsisegError as error:
        raise _told_by_worker(error) from error
    except RuntimeError as error:
        if "out of memory" not in str(error).lower():
            raise
        raise TrainingError(
            "the device's memory does not suffice", None, "Use a smaller --batch or --tile."
        ) from error
    finally:
        keeper.draw()
    return keeper


def _make_trainer(work: _Work, keeper: Keeper) -> lightning.Trainer:
    options, stage = work.options, work.stage
    callbacks: list[Callback] = [keeper]
    if stage.ema:
        # After the keeper, which saves the averaged weights before they are put aside again.
        callbacks.append(average_weights(stage.ema))
    if options.patience is not None:
        callbacks.append(Patience(options.patience))
    return lightning.Trainer(
        max_epochs=stage.epochs,
        accelerator=_ACCELERATORS.get(options.device, options.device),
        devices=options.devices,
        strategy=options.strategy,
        precision=_PRECISIONS[options.precision],  # type: ignore[arg-type]
        sync_batchnorm=options.devices > 1 and options.device != "cpu",
        gradient_clip_val=stage.clip or None,
        check_val_every_n_epoch=min(options.val_every, stage.epochs),
        callbacks=[*callbacks, keep_last(work.folder)],
        default_root_dir=work.folder.path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _told_by_worker(error: WsisegError) -> WsisegError:
    """Return an error without the traceback that a reading process puts in front of it."""
    if "Original Traceback" not in error.what:
        return error
    return type(error)(error.what.strip().splitlines()[-1].partition(": ")[2].rstrip("."))


def _adjust(stage: Stage, options: TrainOptions) -> Stage:
    """Put the user's numbers in place of the recipe's."""
    given = {
        name: getattr(options, name)
        for name in ("epochs", "batch", "lr", "ema", "clip")
        if getattr(options, name) is not None
    }
    return replace(stage, **given)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from talking past the listener."""
    loggers = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in _SMALL_TALK:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_SMALL_TALK = (
    # We choose workers, intervals and folders ourselves.
    ".*does not have many workers.*",
    ".*The number of training batches.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    # PyTorch has renamed what Lightning looks for.
    ".*treespec, LeafSpec.*",
    # LambdaLR's step as Lightning calls it when a training goes on.
    ".*lr_scheduler.step.*",
)

"""The job: samples with labels in, a checkpoint out."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping

from wsiseg.errors import ArgumentError, TrainingError, WsisegError
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry, load_checkpoint
from wsiseg.models.registry import create_model
from wsiseg.models.runtimes.choosing import usable_cores
from wsiseg.tiling.slides import open_slide
from wsiseg.training.augmenting import AUGMENTATIONS, Augmentation
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.opening import split_data
from wsiseg.training.datasets.viewing import SampleShelf, View
from wsiseg.training.feeding import Feed, FeedModule, ValidationTiles
from wsiseg.training.keeping import ENCODER, Keeper, RunFolder, average_weights, keep_last
from wsiseg.training.listener import TrainingListener
from wsiseg.training.options import TrainOptions
from wsiseg.training.recipes import Recipe, Stage, find_recipe
from wsiseg.training.sampling import Sampling, TrainingTiles
from wsiseg.training.starting import Start, freeze_encoder, start
from wsiseg.training.survey import Survey, survey
from wsiseg.training.task import SegmentationTask

_USUAL_TILE = 512
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


@dataclass(frozen=True)
class _Material:
    """What all stages learn from."""

    training: DataSet
    kept: DataSet
    view: View
    mpp: float | None
    survey: Survey
    kept_survey: Survey


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
    run.prepare(resume=resume, overwrite=overwrite)
    material = _gather(options, heard)
    options.save(run.config)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    before: Checkpoint | None = None
    keeper: Keeper | None = None
    for number, stage in enumerate(recipe.stages):
        last = number == len(recipe.stages) - 1
        place = run if last else run.within(ENCODER)
        if not last and resume and run.last.exists():
            # A later stage has begun, so this one is done.
            before = load_checkpoint(place.best)
            continue
        heard.began(f"training {'the encoder' if stage.encoder else 'the network'}")
        first = start(options, stage, material.training.classes, before)
        for note in first.notes:
            heard.noted(note)
        keeper = _fit(options, recipe, stage, first, material, place, heard, resume=resume)
        before = load_checkpoint(place.best)
    assert keeper is not None
    return TrainResult(run.best, keeper.best, len(keeper.rows), time.monotonic() - begun)


def _gather(options: TrainOptions, listener: TrainingListener) -> _Material:
    """Look at all data before anything is learnt."""
    training, kept = split_data(options)
    if not kept.samples:
        listener.warned(
            "nothing is kept back: the scores are those on what the network has learnt from"
        )
        kept = training
    view = _choose_view(options, training)
    with open_slide(training.samples[0].image) as slide:
        mpp = view.plane(slide).mpp
    listener.began("looking at the labels")
    found = survey(training, view, listener.advanced)
    if kept is training:
        return _Material(training, kept, view, mpp, found, found)
    missing = [c.name for c, p in zip(training.classes, found.pixels, strict=True) if not p]
    if missing:
        listener.warned(f"no sample to learn from shows {', '.join(missing)}")
    return _Material(training, kept, view, mpp, found, survey(kept, view, listener.advanced))


def _choose_view(options: TrainOptions, dataset: DataSet) -> View:
    """Return the resolution to work at: the user's, or for slides the checkpoint's."""
    mpp = options.mpp
    if mpp is None and options.scale is None and dataset.sparse:
        if options.init is not None:
            mpp = load_checkpoint(options.init).mpp
        if mpp is None:
            raise ArgumentError(
                "slides need a resolution to be worked at", "--mpp", "0.5 µm per pixel, say."
            )
    return View(mpp=mpp, slide_mpp=options.slide_mpp, scale=options.scale)


def _fit(
    options: TrainOptions,
    recipe: Recipe,
    stage: Stage,
    first: Start,
    material: _Material,
    folder: RunFolder,
    listener: TrainingListener,
    *,
    resume: bool,
) -> Keeper:
    """Train one stage."""
    stage = _adjust(stage, options)
    frozen = freeze_encoder(first.network) if options.freeze_encoder else None
    feed = _make_feed(options, recipe, stage, first, material)
    steps = len(FeedModule(feed).train_dataloader())
    task = SegmentationTask(
        first.network,
        first.normalisation,
        stage,
        stage.loss(material.survey.pixels),
        lr=stage.lr,
        epochs=stage.epochs,
        steps_per_epoch=steps,
        seed=options.seed,
        frozen=frozen,
    )
    classes = material.training.classes
    keeper = Keeper(
        folder,
        _card_maker(options, stage, first, material),
        create_model(first.architecture, len(classes), **first.arguments),
        tuple(entry.name for entry in classes),
        listener,
    )
    callbacks: list[Callback] = [keeper]
    if stage.ema:
        # After the keeper, which saves the averaged weights before they are put aside again.
        callbacks.append(average_weights(stage.ema))
    if options.patience is not None:
        callbacks.append(EarlyStopping("val_miou", mode="max", patience=options.patience))
    with _quiet():
        trainer = lightning.Trainer(
            max_epochs=stage.epochs,
            accelerator=_ACCELERATORS.get(options.device, options.device),
            devices=options.devices,
            strategy=options.strategy,
            precision=_PRECISIONS[options.precision],  # type: ignore[arg-type]
            sync_batchnorm=options.devices > 1 and options.device != "cpu",
            gradient_clip_val=stage.clip or None,
            check_val_every_n_epoch=min(options.val_every, stage.epochs),
            callbacks=[*callbacks, keep_last(folder)],
            default_root_dir=folder.path,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        standing = folder.last if resume and folder.last.exists() else None
        try:
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


def _make_feed(
    options: TrainOptions, recipe: Recipe, stage: Stage, first: Start, material: _Material
) -> Feed:
    samples, multiple = len(material.training.samples), first.network.input_multiple
    tile = _choose_tile(options, recipe, material.survey, multiple)
    balanced = material.training.sparse
    tiles = options.tiles
    if tiles is None:
        annotated = material.survey.pixels.sum() / (tile[0] * tile[1])
        tiles = max(stage.batch, round(annotated)) if balanced else samples
    sampling = Sampling(tiles, balanced, stage.zooms, options.seed)
    training = TrainingTiles(
        SampleShelf(material.training.samples, material.view),
        material.survey,
        tile,
        multiple,
        _choose_augmentation(options, stage, material),
        options.balance,
        options.seed,
    )
    validation = ValidationTiles(
        SampleShelf(material.kept.samples, material.view), material.kept_survey, multiple
    )
    workers = min(4, usable_cores() - 1) if options.workers is None else options.workers
    return Feed(training, sampling, samples, validation, stage.batch, workers)


def _choose_tile(
    options: TrainOptions, recipe: Recipe, found: Survey, multiple: int
) -> tuple[int, int]:
    """Return ``(height, width)``: what was asked for, or what the smallest sample fills."""
    if options.tile is not None:
        return options.tile, options.tile
    edges = []
    for axis in (0, 1):
        smallest = min(sample.shape[axis] for sample in found.samples)
        edge = smallest if recipe.whole_pictures else min(smallest, _USUAL_TILE)
        edges.append(-(-edge // multiple) * multiple)
    return edges[0], edges[1]


def _choose_augmentation(
    options: TrainOptions, stage: Stage, material: _Material
) -> Augmentation:
    name = options.augment
    if name == "auto":
        name = "street" if material.mpp is None else "tissue"
    chosen = AUGMENTATIONS[name]
    # Passes at several magnifications take the place of random ones.
    return replace(chosen, scale=(1.0, 1.0)) if len(stage.zooms) > 1 else chosen


class _card_maker:  # noqa: N801
    """Makes a checkpoint's card from the scores of an epoch."""

    def __init__(
        self, options: TrainOptions, stage: Stage, first: Start, material: _Material
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
        return CheckpointCard(
            architecture=self._first.architecture,
            arguments=self._first.arguments,
            classes=tuple(ClassEntry(name=c.name, colour=c.colour) for c in self._classes),
            mpp=self._mpp,
            normalisation=self._first.normalisation,
            training={**self._facts, "epoch": epoch},
            metrics=scores,
        )


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

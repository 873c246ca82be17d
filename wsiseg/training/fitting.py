"""The training job: samples with labels in, a run folder with the best checkpoint out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import torch

from wsiseg.checkpoints import take_checkpoint
from wsiseg.demo import bundled_checkpoints
from wsiseg.errors import ArgumentError
from wsiseg.models.checkpoint import Checkpoint, load_checkpoint
from wsiseg.settings import keywords_from
from wsiseg.store.disk import refuse_address
from wsiseg.store.locks import hold_lock
from wsiseg.store.outputs import output_folder
from wsiseg.training.data_options import DataOptions
from wsiseg.training.datasets.opening import split_data
from wsiseg.training.initialising import initialise
from wsiseg.training.keywords import TrainKeywords
from wsiseg.training.listener import TrainingListener
from wsiseg.training.loggers import check_loggers
from wsiseg.training.options import MACHINE_OPTIONS, TrainOptions
from wsiseg.training.recipes import RECIPES
from wsiseg.training.run_folder import RunFolder
from wsiseg.training.stage_run import StageRun, adjust_stage, train_stage
from wsiseg.training.trainer import (
    check_machine,
    is_main_process,
)
from wsiseg.training.training_data import TrainingData, prepare_training_data


@dataclass(frozen=True)
class TrainResult:
    """The result of a training run.

    Attributes
    ----------
    checkpoint : Path
        The best network.
    miou : float
        Its mean IoU on the validation data, or where there are none, on the training data.
    epochs : int
        Epochs of the last stage.
    seconds : float
        Wall time of this call.
    mpp : float or None
        µm per pixel that it works at, where they are known.
    validation_samples : int
        How many samples the validation data have.
    warnings : tuple of str
        What was left out, repaired or assumed.
    """

    checkpoint: Path
    miou: float
    epochs: int
    seconds: float
    mpp: float | None
    validation_samples: int
    warnings: tuple[str, ...] = ()


@keywords_from(TrainOptions, without=("data", "init"))
def train(
    data: DataOptions,
    checkpoint: Checkpoint | Path | str | None,
    output: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    listener: TrainingListener | None = None,
    **options: Unpack[TrainKeywords],
) -> TrainResult:
    """Train or fine-tune a network.

    Parameters
    ----------
    data : DataOptions
        The training data, and where they name or yield some, the validation data.
    checkpoint : path-like or None
        The initial checkpoint, as :func:`wsiseg.load_checkpoint` takes it; where the classes are
        others, the layers that depend on them are newly initialised.  None trains from scratch.
    output : path-like
        Folder of the run, see :func:`fit`.
    resume, overwrite : bool
        Continue after the last finished epoch of the run in the folder, or overwrite it.
    listener : TrainingListener, optional
        Receives progress, notes and warnings.
    **options
        Fields of :class:`wsiseg.training.options.TrainOptions`.

    Raises
    ------
    WsisegError
        As :func:`fit`.

    Examples
    --------
    >>> data = DataOptions(
    ...     images="fields/images", labels="fields/labels", class_map="0=tissue,1=nucleus"
    ... )
    >>> small = {"alpha2": 1, "alpha3": 1}
    >>> settings = {"epochs": 1, "batch": 1, "tile": 32, "workers": 0, "arguments": small}
    >>> result = train(data, None, "run", **settings)
    >>> result.checkpoint.name, result.epochs, result.validation_samples
    ('best.safetensors', 1, 1)
    """
    settings = TrainOptions(data=data, init=_file_of(checkpoint), **options)
    return fit(settings, output, resume=resume, overwrite=overwrite, listener=listener)


def _file_of(checkpoint: Checkpoint | Path | str | None) -> Path | str | None:
    if not isinstance(checkpoint, Checkpoint):
        return checkpoint
    if checkpoint.path is None:
        # The settings of a run name the file, so that it can be gone on with.
        raise ArgumentError(
            "the initial checkpoint is not in a file", "`checkpoint`", "Save it first."
        )
    named = checkpoint.source in bundled_checkpoints()
    return checkpoint.source if named else checkpoint.path


def fit(
    options: TrainOptions,
    folder: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    listener: TrainingListener | None = None,
) -> TrainResult:
    """Train as settings say, which may have been read from a file.

    Parameters
    ----------
    options : TrainOptions
        Data and settings.
    folder : path-like
        Gets ``best.safetensors``, ``last.ckpt``, ``metrics.csv``, ``curves.png``, ``config.yaml``,
        the names of the samples, ``training.txt`` and ``validation.txt``, and ``tensorboard/``.
    resume : bool
        Continue after the last finished epoch, with the losses that an unbroken run would have.
    overwrite : bool
        Overwrite an existing run.
    listener : TrainingListener, optional
        Receives progress, notes and warnings.

    Raises
    ------
    DataSetError, AnnotationError, SlideError
        If pictures and labels do not fit; this is checked before training starts.
    ArgumentError, CheckpointError
        If the settings are invalid.
    RuntimeUnavailableError
        If a device is not there.
    OutputExistsError
        If the folder holds a run, and neither `resume` nor `overwrite` is given.
    OutputHeldError
        If another process writes there.
    TrainingError
        If the loss is not a number, the memory does not suffice, or the state to resume from is
        damaged.
    """
    begun = time.monotonic()
    main = is_main_process()
    progress = listener if listener is not None and main else TrainingListener()
    refuse_address(Path(folder))
    run = RunFolder(Path(folder).absolute())
    RECIPES.find(options.recipe, "`recipe`")
    check_machine(options)
    without_log = check_loggers(options)
    if without_log is not None:
        progress.noted(without_log)
    with ExitStack() as stack:
        if main:
            stack.enter_context(output_folder(run.path))
            stack.enter_context(hold_lock(run.lock, progress.warned))
            _check_folder(run, options, resume=resume, overwrite=overwrite)
        data, best = _train_stages(options, run, progress, resume=resume)
    return TrainResult(
        checkpoint=run.best,
        miou=best.card.metrics["val_miou"],
        epochs=len(run.read_rows()),
        seconds=time.monotonic() - begun,
        mpp=best.mpp,
        validation_samples=len(data.validation.samples),
        warnings=data.warnings,
    )


def _train_stages(
    options: TrainOptions, run: RunFolder, listener: TrainingListener, *, resume: bool
) -> tuple[TrainingData, Checkpoint]:
    """Train all stages of the recipe; return the data and the best checkpoint."""
    recipe = RECIPES.find(options.recipe, "`recipe`")
    init = (
        None
        if options.init is None
        else take_checkpoint(options.init, to_train=True, began=listener.began)
    )
    training, validation = split_data(options)
    # Whatever is wrong with the network shows before long looks at the data.
    initialise(options, recipe.stages[0], training.classes, init)
    data = prepare_training_data(options, training, validation, init, listener)
    before: Checkpoint | None = None
    with _own_threads(options), torch.random.fork_rng(devices=[]):
        for planned in recipe.stages:
            last = planned is recipe.stages[-1]
            place = run if last else run.encoder
            if not last and resume and run.last.exists():
                # A later stage has begun, so this one is done.
                before = load_checkpoint(place.best)
                continue
            stage = adjust_stage(planned, options)
            initial = initialise(options, stage, training.classes, init, before)
            work = StageRun(options, recipe, stage, initial, data, place)
            if is_main_process():
                if not resume and planned is recipe.stages[0] and run.config.exists():
                    run.clear()
                run.begin(options, data.training_names, data.validation_names, data.warnings)
            train_stage(work, listener, resume=resume)
            before = load_checkpoint(place.best)
    assert before is not None
    return data, before


def _check_folder(run: RunFolder, options: TrainOptions, *, resume: bool, overwrite: bool) -> None:
    if resume and overwrite:
        raise ArgumentError(
            "`resume` and `overwrite` exclude each other", None, "Give one of them."
        )
    if resume:
        if run.config.exists():
            _refuse_changes(options, TrainOptions.load(run.config))
        return
    run.refuse_existing(overwrite=overwrite)
    if overwrite and options.init is not None and Path(options.init).parent == run.path:
        raise ArgumentError(
            "the initial checkpoint would be overwritten", options.init, "Move it away first."
        )


def _refuse_changes(options: TrainOptions, before: TrainOptions) -> None:
    """Raise if a run would be resumed with other settings."""
    old, new = before.flatten(), options.flatten()
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name) and name not in MACHINE_OPTIONS:
            raise ArgumentError(
                f"the existing run was started with {old.get(name)}, not {new.get(name)}",
                f"`{name}`",
                "Resume it with the same settings, or start another run from its best.safetensors.",
            )


@contextmanager
def _own_threads(options: TrainOptions) -> Iterator[None]:
    """Set how PyTorch computes, and put it back."""
    # Weight decay and small gradients leave numbers that a CPU computes ten times slower with;
    # only threads that start later inherit it.
    exact = _computes_subnormals()
    torch.set_flush_denormal(True)
    threads = torch.get_num_threads()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(not exact)


def _computes_subnormals() -> bool:
    return bool(torch.tensor([1e-40]).mul(1.0) != 0)

"""Lightning's trainer as we want it: on what it runs, what it says, how it fails."""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning.pytorch as lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback

from wsiseg.error_translation import reason
from wsiseg.errors import ArgumentError, RuntimeUnavailableError, TrainingError, WsisegError
from wsiseg.training.loggers import log_learning_rate, make_loggers
from wsiseg.training.options import TrainOptions
from wsiseg.training.recipes.recipe import Stage

_PRECISIONS = {"fp32": "32-true", "fp16": "16-mixed", "bf16": "bf16-mixed"}
_ACCELERATORS = {"cuda": "gpu"}

_ENDING = ("Terminated", "Interrupt", "Hangup")
"""Signals by which somebody ends a reading process, as PyTorch names them."""


def is_main_process() -> bool:
    """Tell whether this process is the one that talks and writes."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def check_machine(options: TrainOptions) -> None:
    """Look whether what was asked for is there, before anything else is done.

    Raises
    ------
    RuntimeUnavailableError
        If a device or a package is missing.
    ArgumentError
        If the device cannot compute in the precision.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise RuntimeUnavailableError(
            "matplotlib is not installed", None, "Run: pip install 'wsiseg[train]'."
        )
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(options.device, True):
        raise RuntimeUnavailableError(
            f"there is no {options.device} device here", "`device`", "Use `device=cpu`."
        )
    on_cpu = options.device == "cpu" or (options.device == "auto" and not any(there.values()))
    if on_cpu and options.precision == "fp16":
        raise ArgumentError("fp16 needs a GPU", "`precision`", "On CPUs there is bf16.")


def make_trainer(
    options: TrainOptions, stage: Stage, callbacks: list[Callback], folder: Path
) -> lightning.Trainer:
    """Return a trainer that leaves talking, files but for logs, and order to us.

    Parameters
    ----------
    options : TrainOptions
        Device, precision and strategy.
    stage : Stage
        Epochs and clipping.
    callbacks : list of Callback
        Checkpoints, averaging, early stopping.
    folder : Path
        Of the run.

    Returns
    -------
    Trainer
        Of Lightning, without progress bar and summary.

    Raises
    ------
    ArgumentError
        If Lightning does not know the strategy, or cannot use it here.
    """
    loggers = make_loggers(options, folder)
    try:
        return lightning.Trainer(
            max_epochs=stage.epochs,
            accelerator=_ACCELERATORS.get(options.device, options.device),
            devices=options.devices,
            strategy=options.strategy,
            precision=_PRECISIONS[options.precision],  # type: ignore[arg-type]
            sync_batchnorm=options.devices > 1
            and options.device in ("auto", "cuda")
            and torch.cuda.is_available(),
            gradient_clip_val=stage.clip or None,
            callbacks=[*callbacks, *log_learning_rate(loggers)],
            default_root_dir=folder,
            logger=loggers,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, ValueError) as error:
        raise ArgumentError(
            f"Lightning refuses: {str(error).splitlines()[0].rstrip('.')}",
            "`strategy`",
            "Check `device`, `devices` and `strategy`.",
        ) from error


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn exceptions of Lightning, PyTorch and reading processes into errors of this package."""
    try:
        yield
    except SystemExit as stop:
        # What Lightning makes of an interruption.
        raise KeyboardInterrupt from stop
    except WsisegError as error:
        raise _without_traceback(error) from error
    except Exception as error:
        if any(f"killed by signal: {name}" in str(error) for name in _ENDING):
            # A signal to all processes of a terminal or a job reaches those that read, too.
            raise KeyboardInterrupt from error
        if "out of memory" not in str(error).lower() and not isinstance(error, MemoryError):
            raise TrainingError(
                f"the training broke off: {type(error).__name__}: {reason(error)}",
                None,
                "`debug` shows where.",
            ) from error
        raise TrainingError(
            "the device has too little memory", None, "Use a smaller `batch` or `tile`."
        ) from error


def _without_traceback(error: WsisegError) -> WsisegError:
    """Return an error without the traceback that a reading process puts in front of it."""
    if "Original Traceback" not in error.what:
        return error
    return type(error)(error.what.strip().splitlines()[-1].partition(": ")[2].rstrip("."))


@contextmanager
def silence_lightning() -> Iterator[None]:
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
    ".*The dirpath has changed.*",
    # Scores are summed over the processes by us.
    ".*It is recommended to use `self.log.*sync_dist=True.*",
    # PyTorch has renamed what Lightning looks for.
    ".*treespec, LeafSpec.*",
    # LambdaLR's step as Lightning calls it when a run is resumed.
    ".*lr_scheduler.step.*",
)

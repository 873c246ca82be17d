"""Where losses and scores are logged while a network is trained: TensorBoard, Weights & Biases."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from wsiseg.errors import RuntimeUnavailableError
from wsiseg.training.options import TrainOptions
from wsiseg.training.run_folder import TENSORBOARD

_PROJECT = "wsiseg"


def check_loggers(options: TrainOptions) -> str | None:
    """Return why a log that is wanted by default is not written, None if all are.

    Raises
    ------
    RuntimeUnavailableError
        If the user asks for Weights & Biases, and it is not installed.
    """
    if options.wandb and find_spec("wandb") is None:
        raise RuntimeUnavailableError(
            "Weights & Biases is not installed", "`wandb`", "Run: pip install wandb."
        )
    if options.tensorboard and not _tensorboard_is_installed():
        return "nothing is logged for TensorBoard: tensorboardX is not installed"
    return None


def make_loggers(options: TrainOptions, folder: Path) -> list[Logger]:
    """Return the loggers of a run.

    Parameters
    ----------
    options : TrainOptions
        Which are wanted.
    folder : Path
        Of the run; ``tensorboard/`` in it gets the events.
    """
    loggers: list[Logger] = []
    if options.tensorboard and _tensorboard_is_installed():
        loggers.append(TensorBoardLogger(folder, name=TENSORBOARD, version=""))
    if options.wandb:
        loggers.append(WandbLogger(name=folder.name, project=_PROJECT, save_dir=folder))
    return loggers


def log_learning_rate(loggers: list[Logger]) -> list[Callback]:
    """Return what logs the learning rate, at every 50th step, where there is a log."""
    return [LearningRateMonitor(logging_interval="step")] if loggers else []


def _tensorboard_is_installed() -> bool:
    # Lightning writes its files with either.
    return any(find_spec(name) is not None for name in ("tensorboard", "tensorboardX"))

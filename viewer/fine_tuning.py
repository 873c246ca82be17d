"""A training run from the window: its command line and its events.

It is ``wsiseg train`` in a process of its own, so that neither its threads nor its end touch the
window.
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wsiseg.checkpoints import find_checkpoint
from wsiseg.errors import (
    ArgumentError,
    DataSetError,
    OutputExistsError,
    RuntimeUnavailableError,
    TrainingError,
    WsisegError,
)
from wsiseg.models.card import read_card
from wsiseg.store.disk import translate_write_errors, write_atomically
from wsiseg.store.label_images import is_store, open_label_image
from wsiseg.training.datasets.pairing import annotated_slides
from wsiseg.training.run_folder import RunFolder

NEEDED = ("lightning", "matplotlib")
"""Packages of the extra ``train``."""

Event = Mapping[str, Any]
"""What ``wsiseg train --events`` prints in one line."""


@dataclass(frozen=True)
class FineTuning:
    """The settings of a fine-tuning run.

    Attributes
    ----------
    slides, annotations : Path
        Folders of files with the same stems; slides without annotations are left out.
    run : Path
        Folder of the training.
    init : path-like or None
        The initial checkpoint, as :func:`wsiseg.load_checkpoint` takes it; None for random weights.
    mpp : float or None
        Working µm per pixel; if None, the checkpoint's, or else that of painted annotations.
    slide_mpp : float or None
        µm per pixel of the slides, where their files state none.
    epochs : int
        Passes through the data.
    tiles : int or None
        Tiles per epoch; as many as the annotated area has room for if None.
    class_map : str
        What ``--class-map`` takes, or nothing.
    overwrite : bool
        Overwrite an existing run.
    extra_options : tuple of str
        More options of ``wsiseg train``.
    """

    slides: Path
    annotations: Path
    run: Path
    init: Path | str | None = None
    mpp: float | None = None
    slide_mpp: float | None = None
    epochs: int = 30
    tiles: int | None = None
    class_map: str = ""
    overwrite: bool = False
    extra_options: tuple[str, ...] = ()

    @property
    def names(self) -> Path:
        """The list of slides with annotations; beside the run, which needs it to be resumed."""
        return self.run.parent / f"{self.run.name}.names.txt"

    def words(self) -> list[str]:
        """Return what is typed behind ``wsiseg train``."""
        given: dict[str, object] = {
            "slides": self.slides,
            "annotations": self.annotations,
            "only": self.names,
            "init": self.init,
            "mpp": self.mpp,
            "slide-mpp": self.slide_mpp,
            "epochs": self.epochs,
            "tiles": self.tiles,
            "class-map": self.class_map or None,
            "output": self.run,
        }
        words = [f"--{name}={value}" for name, value in given.items() if value is not None]
        return [*words, *["--overwrite"] * self.overwrite, "--events", *self.extra_options]


def prepare(wanted: FineTuning) -> list[str]:
    """Look at folders and checkpoint, list the slides with annotations, and return the command.

    Raises
    ------
    RuntimeUnavailableError
        If packages are missing.
    OutputExistsError
        If the folder holds a run, and `overwrite` is False.
    DataSetError, CheckpointError, AnnotationError, ArgumentError
        If there are no annotated slides, or they cannot be used.
    """
    _refuse_missing_packages()
    if RunFolder(wanted.run).has_weights and not wanted.overwrite:
        raise OutputExistsError(
            "the folder already holds a training run",
            wanted.run,
            "Resume it, overwrite it, or choose another folder.",
        )
    found = annotated_slides(wanted.slides, wanted.annotations)
    if not found:
        raise DataSetError(
            f"no slide of {wanted.slides.name} has an annotation of the same name",
            wanted.annotations,
        )
    if wanted.mpp is None and not any(word.startswith("--scale") for word in wanted.extra_options):
        wanted = replace(wanted, mpp=_find_mpp(wanted.init, found.values()))
    with translate_write_errors(wanted.names.parent):
        wanted.names.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(wanted.names, "".join(f"{name}\n" for name in found))
    return command(wanted.words())


def prepare_resuming(run: Path) -> list[str]:
    """Return the command that resumes a run with its own settings.

    Raises
    ------
    RuntimeUnavailableError
        If packages are missing.
    TrainingError
        If the folder holds no run that has finished an epoch.
    """
    _refuse_missing_packages()
    if not can_resume(run):
        raise TrainingError("the folder holds no run that can be resumed", run, "Start one.")
    return command(["--resume", f"--output={run}", "--events"])


def command(words: list[str]) -> list[str]:
    """Return how this very Python runs ``wsiseg train``, whatever lies in the working folder."""
    return [sys.executable, "-P", "-m", "wsiseg", "train", *words]


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the process: plain lines in UTF-8, and threads that wait idly."""
    colours = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    kept = {name: value for name, value in own.items() if name not in colours}
    return {"OMP_WAIT_POLICY": "PASSIVE", **kept, "PYTHONUTF8": "1"}


def missing_packages() -> list[str]:
    """Return what a training needs and is not installed."""
    importlib.invalidate_caches()
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def _refuse_missing_packages() -> None:
    if missing := missing_packages():
        raise RuntimeUnavailableError(
            f"{' and '.join(missing)} {'are' if missing[1:] else 'is'} not installed",
            None,
            "Run: pip install 'wsiseg[train]'.",
        )


def can_resume(run: Path) -> bool:
    """Tell whether a folder holds a run that has finished an epoch."""
    return RunFolder(run).resumable


def _find_mpp(init: Path | str | None, drawn: Iterable[Path]) -> float:
    """Return the resolution to work at where the user types none."""
    if init is not None and (mpp := read_card(find_checkpoint(init)[0])[0].mpp) is not None:
        return mpp
    for path in drawn:
        if is_store(path):
            image = open_label_image(path)
            if image.unit == "micrometer":
                return image.scale
    raise ArgumentError(
        "slides need a working resolution", None, "Type one, such as 0.5 µm per pixel."
    )


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is, from its events.

    Attributes
    ----------
    stage : str
        What it does before the first epoch.
    epochs, steps : int
        How many there will be, and steps of one epoch; 0 while that is unknown.
    epoch, step : int
        Epochs that are finished, and steps of the next.
    loss, miou, best : float or None
        The last figures.
    error : str
        Why it failed.
    checkpoint : Path or None
        What it has made, once it has finished.
    warnings : tuple of str
        What was left out, repaired or assumed.
    """

    stage: str = "starting"
    epochs: int = 0
    steps: int = 0
    epoch: int = 0
    step: int = 0
    loss: float | None = None
    miou: float | None = None
    best: float | None = None
    error: str = ""
    checkpoint: Path | None = None
    warnings: tuple[str, ...] = ()

    def after(self, event: Event) -> TrainingProgress:
        """Return how far it is after an event of ``wsiseg train --events``."""
        match event["event"]:
            case "stage":
                return replace(self, stage=event["text"])
            case "samples":
                return replace(self, stage=f"{event['done']}/{event['samples']} samples")
            case "plan":
                return replace(self, epochs=event["epochs"], steps=event["steps"], step=0)
            case "step":
                return replace(
                    self, epoch=event["epoch"] - 1, step=event["step"], loss=event["loss"]
                )
            case "epoch":
                after = replace(self, epoch=event["epoch"], step=0, loss=event["train_loss"])
                if event["val_miou"] is None:
                    return after
                return replace(after, miou=event["val_miou"], best=event["best_miou"])
            case "finished":
                return replace(self, checkpoint=Path(event["checkpoint"]))
            case "warning" if event["text"] not in self.warnings:
                return replace(self, warnings=(*self.warnings, event["text"]))
            case "error":
                return replace(self, error=say_error(event))
            case _:
                return self

    @property
    def done(self) -> int:
        """Steps that are finished."""
        return self.epoch * self.steps + self.step

    def seconds_left(self, before: TrainingProgress, seconds: float) -> float | None:
        """Return the seconds that are left, or None while that is unknown.

        Parameters
        ----------
        before : TrainingProgress
            The progress at the first step.
        seconds : float
            Time since then.
        """
        done = self.done - before.done
        return seconds / done * (self.epochs * self.steps - self.done) if done > 0 else None

    def describe(self, seconds_left: float | None = None, scored: str = "validation") -> str:
        """Return it in a line.

        Parameters
        ----------
        seconds_left : float, optional
            See :meth:`seconds_left`.
        scored : str
            Which data the scores are of, ``validation`` or ``training``.
        """
        if not self.epochs:
            return f"{self.stage} …"
        parts = [f"epoch {min(self.epoch + 1, self.epochs)} of {self.epochs}"]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.4f}")
        if self.miou is not None:
            parts.append(f"{scored} mean IoU {self.miou:.3f} (best {self.best:.3f})")
        if seconds_left is not None and self.epoch < self.epochs:
            parts.append(f"{describe_duration(seconds_left)} left")
        return ", ".join(parts)


def say_error(event: Event) -> str:
    """Return what an error event says, in one line."""
    return str(WsisegError(event["what"], event["where"], event["hint"]))


def describe_event(event: Event) -> str | None:
    """Return an event as a line for people; None for those that the bar shows."""
    match event["event"]:
        case "stage" | "note":
            return str(event["text"])
        case "warning":
            return f"warning: {event['text']}"
        case "error":
            return f"error: {say_error(event)}"
        case "epoch":
            scored = event["val_miou"]
            score = "" if scored is None else f", mean IoU {scored:.4f}"
            loss = event["train_loss"]
            shown_loss = "no number" if loss is None else f"{loss:.4f}"
            return f"epoch {event['epoch']}: loss {shown_loss}{score}"
        case _:
            return None


def read_event(line: str) -> Event | None:
    """Return the event that a line holds; None for a line of another kind."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def describe_duration(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"

"""The files of one training."""

from __future__ import annotations

import contextlib
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsiseg.error_translation import translate_errors
from wsiseg.errors import ArgumentError, DataSetError, OutputExistsError, TrainingError
from wsiseg.store.disk import translate_write_errors, write_atomically
from wsiseg.training.metrics import plot_curves
from wsiseg.training.options import TrainOptions

ENCODER = "encoder"
"""Folder of the stage that trains the encoder alone."""


@dataclass(frozen=True)
class RunFolder:
    """Where a training leaves what it has learnt.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def best(self) -> Path:
        """The checkpoint with the best score on what was kept back."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """Everything that going on after an epoch needs."""
        return self.path / "last.ckpt"

    @property
    def metrics(self) -> Path:
        """One row per epoch."""
        return self.path / "metrics.csv"

    @property
    def curves(self) -> Path:
        """The same as a picture."""
        return self.path / "curves.png"

    @property
    def config(self) -> Path:
        """Every setting that was asked for."""
        return self.path / "config.yaml"

    @property
    def learnt(self) -> Path:
        """Names of the samples that are learnt from, one a line."""
        return self.path / "learnt.txt"

    @property
    def kept(self) -> Path:
        """Names of the samples that are kept back, one a line."""
        return self.path / "kept.txt"

    @property
    def lock(self) -> Path:
        """Held by the training that writes here."""
        return self.path / "train.lock"

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (
            self.best,
            self.last,
            self.metrics,
            self.curves,
            self.config,
            self.learnt,
            self.kept,
        )

    @property
    def encoder(self) -> RunFolder:
        """The folder of the stage that trains the encoder alone."""
        return RunFolder(self.path / ENCODER)

    @property
    def resumable(self) -> bool:
        """Whether an epoch was finished after which a training can go on."""
        return self.last.exists() or self.encoder.last.exists()

    @property
    def has_learnt(self) -> bool:
        """Whether anything has been learnt that would be lost."""
        return self.resumable or self.best.exists() or self.encoder.best.exists()

    def read_options(self) -> TrainOptions:
        """Return the settings of the training that stands here.

        Raises
        ------
        TrainingError
            If none does.
        DataSetError, ArgumentError
            If they cannot be read, or make no sense.
        """
        if not self.config.exists():
            raise TrainingError(
                "no training stands here", self.path, "Leave `resume` out to begin one."
            )
        return TrainOptions.load(self.config)

    def refuse_standing(self, *, overwrite: bool) -> None:
        """Raise if something stands here that a training would replace.

        One that ended before it had learnt anything is no loss.

        Raises
        ------
        OutputExistsError
            If a training may not be replaced, or what stands is none.
        """
        standing = [file for file in self.files if file.exists()]
        if not standing:
            return
        if not self.config.exists():
            raise _not_ours(standing[0])
        if self.has_learnt and not overwrite:
            raise OutputExistsError(
                "a training stands here",
                self.path,
                "Go on with it by `resume` or replace it by `overwrite`.",
            )
        # Whoever's config.yaml it may be, it is replaced only if it is ours.
        try:
            TrainOptions.load(self.config)
        except (DataSetError, ArgumentError) as error:
            raise _not_ours(self.config) from error

    def begin(self, options: TrainOptions, learnt: list[str], kept: list[str]) -> None:
        """Make the folder, and write the settings and the names of the samples.

        Raises
        ------
        OutputError
            If that cannot be done.
        """
        with translate_write_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        options.save(self.config)
        write_atomically(self.learnt, "".join(f"{name}\n" for name in learnt))
        write_atomically(self.kept, "".join(f"{name}\n" for name in kept))

    def clear(self) -> None:
        """Remove the files of a training, and nothing else."""
        with translate_write_errors(self.path):
            for file in (*self.encoder.files, *self.files):
                file.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                # Something that is not ours may lie there.
                self.encoder.path.rmdir()

    def read_rows(self) -> list[dict[str, Any]]:
        """Return the rows of ``metrics.csv`` as text; none if it is not there.

        Raises
        ------
        TrainingError
            If it is damaged.
        """
        if not self.metrics.exists():
            return []
        with (
            translate_errors(
                lambda why: DataSetError(f"the scores cannot be read: {why}", self.metrics)
            ),
            self.metrics.open(encoding="utf-8", newline="") as file,
        ):
            return list(csv.DictReader(file))

    def draw_curves(self) -> None:
        """Draw what ``metrics.csv`` holds."""
        rows = self.read_rows()
        if rows:
            plot_curves(rows, self.curves)


def _not_ours(file: Path) -> OutputExistsError:
    return OutputExistsError(
        "the file is of no training, and one would replace it", file, "Choose another folder."
    )

"""The folder of a training run and its files."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
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

TENSORBOARD = "tensorboard"
"""Folder of what is logged for TensorBoard."""


@dataclass(frozen=True)
class RunFolder:
    """Names and states of the files that a training run writes.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation score."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """The state after the last finished epoch, for `resume`."""
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
    def training_names(self) -> Path:
        """Names of the training samples, one a line."""
        return self.path / "training.txt"

    @property
    def validation_names(self) -> Path:
        """Names of the validation samples, one a line."""
        return self.path / "validation.txt"

    @property
    def scored_data(self) -> str:
        """Which data the scores are of, ``validation`` or, where nothing was kept, ``training``."""
        lists = self.validation_names, self.files_of_earlier_versions[1]
        kept = next((file for file in lists if file.exists()), None)
        return "training" if kept is not None and not kept.stat().st_size else "validation"

    @property
    def lock(self) -> Path:
        """Held by the run that writes here."""
        return self.path / "train.lock"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that a run writes, but for the lock."""
        return (
            self.best,
            self.last,
            self.metrics,
            self.curves,
            self.config,
            self.training_names,
            self.validation_names,
        )

    @property
    def files_of_earlier_versions(self) -> tuple[Path, ...]:
        """What earlier versions wrote: the names of the samples, as `files` has them now."""
        return self.path / "learnt.txt", self.path / "kept.txt"

    @property
    def logs(self) -> tuple[Path, ...]:
        """What was logged for TensorBoard."""
        folder = self.path / TENSORBOARD
        return (*sorted(folder.glob("events.out.tfevents.*")), folder / "hparams.yaml")

    @property
    def encoder(self) -> RunFolder:
        """The folder of the stage that trains the encoder alone."""
        return RunFolder(self.path / ENCODER)

    @property
    def resumable(self) -> bool:
        """Whether an epoch has finished, so that the run can be resumed."""
        return self.last.exists() or self.encoder.last.exists()

    @property
    def has_weights(self) -> bool:
        """Whether there are trained weights that overwriting would lose."""
        return self.resumable or self.best.exists() or self.encoder.best.exists()

    def read_options(self) -> TrainOptions:
        """Return the settings of the existing run.

        Raises
        ------
        TrainingError
            If there is none.
        DataSetError, ArgumentError
            If they cannot be read, or are invalid.
        """
        if not self.config.exists():
            raise TrainingError(
                "the folder holds no training run", self.path, "Leave out `resume` to start one."
            )
        return TrainOptions.load(self.config)

    def refuse_existing(self, *, overwrite: bool) -> None:
        """Raise if the folder holds files that a new run must not overwrite.

        A run that ended before its first checkpoint may always be overwritten.

        Raises
        ------
        OutputExistsError
            If there is a run and `overwrite` is False, or files that belong to no run.
        """
        existing = [file for file in self.files if file.exists()]
        if not existing:
            return
        if not self.config.exists():
            raise _not_ours(existing[0])
        if self.has_weights and not overwrite:
            raise OutputExistsError(
                "a training run already exists; `resume` continues, `overwrite` replaces",
                self.path,
            )
        # Whoever's config.yaml it may be, it is replaced only if it is ours.
        try:
            TrainOptions.load(self.config)
        except (DataSetError, ArgumentError) as error:
            raise _not_ours(self.config) from error

    def begin(
        self,
        options: TrainOptions,
        training: list[str],
        validation: list[str],
        warnings: Sequence[str] = (),
    ) -> None:
        """Make the folder, and write the settings and the names of the samples.

        Parameters
        ----------
        options : TrainOptions
            Go to ``config.yaml``.
        training, validation : list of str
            Names of the samples; go to ``training.txt`` and ``validation.txt``.
        warnings : sequence of str
            What was left out, repaired or assumed; go to ``config.yaml`` as comments.

        Raises
        ------
        OutputError
            If that cannot be done.
        """
        with translate_write_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        options.save(self.config, warnings)
        write_atomically(self.training_names, "".join(f"{name}\n" for name in training))
        write_atomically(self.validation_names, "".join(f"{name}\n" for name in validation))

    def clear(self) -> None:
        """Remove the files of a run, also of earlier versions, and nothing else."""
        with translate_write_errors(self.path):
            for run in (self.encoder, self):
                for file in (*run.files, *run.files_of_earlier_versions, *run.logs):
                    file.unlink(missing_ok=True)
                for folder in (run.path / TENSORBOARD, *([] if run is self else [run.path])):
                    # Something that is not ours may lie there.
                    with contextlib.suppress(OSError):
                        folder.rmdir()

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
            plot_curves(rows, self.curves, self.scored_data)


def _not_ours(file: Path) -> OutputExistsError:
    return OutputExistsError(
        "the file belongs to no training run and would be overwritten",
        file,
        "Choose another folder.",
    )

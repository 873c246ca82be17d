"""What a training leaves on the disk, epoch by epoch."""

from __future__ import annotations

import csv
import io
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from torch import Tensor

from wsiseg.errors import OutputExistsError
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.store.disk import translated, write_whole
from wsiseg.training.listener import TrainingListener
from wsiseg.training.metrics import ConfusionMatrix, plot_curves
from wsiseg.training.task import SegmentationTask

COLUMNS = (
    "epoch",
    "step",
    "lr",
    "train_loss",
    "val_loss",
    "val_miou",
    "val_pixel_accuracy",
    "seconds",
)


@dataclass(frozen=True)
class RunFolder:
    """The files of one training.

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
        """Every setting."""
        return self.path / "config.yaml"

    def within(self, name: str) -> RunFolder:
        """Return the folder of a stage before the last."""
        return RunFolder(self.path / name)

    def prepare(self, *, resume: bool, overwrite: bool) -> None:
        """Make the folder, or refuse one in which a training stands.

        Raises
        ------
        OutputExistsError
            If there is one that may be neither gone on with nor replaced.
        OutputError
            If the folder cannot be made.
        """
        standing = [f for f in (self.config, self.last, self.best) if f.exists()]
        if standing and not (resume or overwrite):
            raise OutputExistsError(
                "a training stands here",
                standing[0].parent,
                "Go on with it by --resume or replace it by --overwrite.",
            )
        with translated(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            if overwrite:
                for file in (self.best, self.last, self.metrics, self.curves, self.config):
                    file.unlink(missing_ok=True)
                shutil.rmtree(self.within(ENCODER).path, ignore_errors=True)


ENCODER = "encoder"
"""Folder of the stage that trains the encoder alone."""


class Keeper(Callback):
    """Scores every validation, keeps the best network and writes a row per epoch.

    Parameters
    ----------
    folder : RunFolder
        Where to.
    card : callable
        From the scores to the checkpoint's card.
    network : callable
        From nothing to an empty network of the same kind, for saving.
    names : sequence of str
        Of the classes.
    listener : TrainingListener
        Hears how it goes.
    """

    def __init__(
        self,
        folder: RunFolder,
        card: Callable[[dict[str, float], int], CheckpointCard],
        network: SegmentationNetwork,
        names: tuple[str, ...],
        listener: TrainingListener,
    ) -> None:
        self.best = -math.inf
        self.rows: list[dict[str, Any]] = []
        self._folder = folder
        self._card = card
        self._copy = network
        self._names = names
        self._listener = listener
        self._scores: dict[str, float | None] = {}
        self._begun = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Say how long it will take."""
        earlier = self.rows[-1]["seconds"] if self.rows else 0.0
        self._begun = time.monotonic() - earlier
        self._listener.expects(trainer.max_epochs or 0, int(trainer.num_training_batches))

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        number: int,
    ) -> None:
        """Pass the loss on."""
        self._listener.stepped(trainer.current_epoch, number + 1, float(outputs["loss"]))

    def on_validation_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Score, and keep the network if none was better."""
        assert isinstance(module, SegmentationTask)
        confusion, loss = module.gather_scores()
        miou = float(confusion.mean_iou)
        module.log("val_miou", torch.tensor(miou), sync_dist=False)
        self._scores = {
            "val_loss": loss,
            "val_miou": miou,
            "val_pixel_accuracy": float(confusion.pixel_accuracy),
        }
        if miou > self.best:
            self.best = miou
            if trainer.is_global_zero:
                self._save(module.network, confusion, trainer.current_epoch + 1)

    def _save(self, network: SegmentationNetwork, confusion: ConfusionMatrix, epoch: int) -> None:
        scores = {"val_miou": confusion.mean_iou, "val_pixel_accuracy": confusion.pixel_accuracy}
        scores |= {f"iou {n}": float(v) for n, v in zip(self._names, confusion.iou, strict=True)}
        rounded = {name: round(float(value), 5) for name, value in scores.items()}
        # A copy, so that the one that learns stays in its mode and on its device.
        self._copy.load_state_dict({k: v.cpu() for k, v in network.state_dict().items()})
        Checkpoint(self._card(rounded, epoch), self._copy).save(self._folder.best)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Write the epoch's row."""
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "lr": rate,
            "train_loss": float(trainer.callback_metrics["train_loss_epoch"]),
            "val_loss": None,
            "val_miou": None,
            "val_pixel_accuracy": None,
            "seconds": round(time.monotonic() - self._begun, 2),
            **self._scores,
        }
        self._scores = {}
        self.rows.append(row)
        if trainer.is_global_zero:
            write_whole(self._folder.metrics, self._as_csv())
            self._listener.finished_epoch(row, self.best)

    def _as_csv(self) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            writer.writerow({k: "" if v is None else f"{v:.8g}" for k, v in row.items()})
        return text.getvalue()

    def draw(self) -> None:
        """Draw the curves of what was done so far."""
        if self.rows:
            plot_curves(self.rows, self._folder.curves)

    def state_dict(self) -> dict[str, Any]:
        """Return what going on needs."""
        return {"best": self.best, "rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the epochs that are done."""
        self.best, self.rows = state_dict["best"], list(state_dict["rows"])


def keep_last(folder: RunFolder) -> ModelCheckpoint:
    """Return what writes ``last.ckpt`` after every epoch."""
    return ModelCheckpoint(
        dirpath=folder.path,
        filename=folder.last.stem,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


class Patience(EarlyStopping):
    """Stops after so many validations without a better mean IoU, and once only.

    Parameters
    ----------
    validations : int
        How many.
    """

    def __init__(self, validations: int) -> None:
        super().__init__("val_miou", mode="max", patience=validations)

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Leave a training that was stopped before as it is."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def average_weights(decay: float) -> WeightAveraging:
    """Return a moving average of the weights whose memory grows up to `decay`.

    The first steps would otherwise drag the random beginning along.
    """

    def move(average: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
        if not average.is_floating_point():
            return current
        kept = min(decay, (1 + int(steps)) / (10 + int(steps)))
        return torch.lerp(current, average, kept)

    return WeightAveraging(use_buffers=True, avg_fn=move)

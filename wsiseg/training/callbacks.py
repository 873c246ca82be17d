"""Lightning callbacks: validation scores and checkpoints, early stopping, averaged weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from torch import Tensor

from wsiseg.csv_tables import to_csv
from wsiseg.errors import TrainingError
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.store.disk import write_atomically
from wsiseg.training.listener import TrainingListener
from wsiseg.training.metrics import ConfusionMatrix
from wsiseg.training.run_folder import RunFolder
from wsiseg.training.task import SegmentationTask
from wsiseg.training.trainer import is_main_process

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


class CheckpointCallback(Callback):
    """Scores every validation, saves the best network and writes ``metrics.csv``.

    Parameters
    ----------
    folder : RunFolder
        Where files are written.
    card : callable
        From the scores and the epoch to the checkpoint's card.
    copy : SegmentationNetwork
        Another network of the same architecture, through which weights are saved.
    names : tuple of str
        Of the classes.
    val_every : int
        Epochs between validations; there is one after the last epoch, too.
    digest : str
        Of the data; a run is resumed with the same data only.
    listener : TrainingListener
        Receives progress.
    """

    state_key = "Keeper"
    """Of its state in ``last.ckpt`` of every version; Lightning takes the class's name else."""

    def __init__(
        self,
        folder: RunFolder,
        card: Callable[[dict[str, float], int], CheckpointCard],
        copy: SegmentationNetwork,
        names: tuple[str, ...],
        *,
        val_every: int,
        digest: str,
        listener: TrainingListener,
    ) -> None:
        self.best = -math.inf
        self.rows: list[dict[str, Any]] = []
        self._folder = folder
        self._card = card
        self._copy = copy
        self._names = names
        self._val_every = val_every
        self._digest = digest
        self._listener = listener
        self._scores: dict[str, float | None] = {}
        self._rates: list[float] = []
        self._begun = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Tell the listener how many epochs and steps there will be.

        See :meth:`lightning.pytorch.Callback.on_train_start`.
        """
        earlier = self.rows[-1]["seconds"] if self.rows else 0.0
        self._begun = time.monotonic() - earlier
        self._listener.expects(trainer.max_epochs or 0, int(trainer.num_training_batches), earlier)

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        batch: Any,
        number: int,
    ) -> None:
        """Note the learning rate of the step; afterwards it is that of the next.

        See :meth:`lightning.pytorch.Callback.on_train_batch_start`.
        """
        self._rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        number: int,
    ) -> None:
        """Pass the loss on to the listener.

        See :meth:`lightning.pytorch.Callback.on_train_batch_end`.

        Raises
        ------
        TrainingError
            If it is not a number.
        """
        loss = float(outputs["loss"])
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} after step {trainer.global_step}",
                None,
                "Use a smaller `lr`, or `clip`.",
            )
        self._listener.stepped(trainer.current_epoch, number + 1, loss)

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Begin to note rates, and decide whether this epoch ends with a validation.

        See :meth:`lightning.pytorch.Callback.on_train_epoch_start`.
        """
        self._rates = []
        epoch, last = trainer.current_epoch + 1, trainer.max_epochs
        due = epoch % self._val_every == 0 or epoch == last
        # Lightning validates after epochs that this divides; nothing larger than the epoch does.
        trainer.check_val_every_n_epoch = 1 if due else epoch + 1

    def on_validation_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Score, and keep the network if none was better.

        See :meth:`lightning.pytorch.Callback.on_validation_epoch_end`.
        """
        assert isinstance(module, SegmentationTask)
        confusion, loss = module.gather_scores()
        miou = float(confusion.mean_iou)
        scores = {
            "val_loss": loss,
            "val_miou": miou,
            "val_pixel_accuracy": float(confusion.pixel_accuracy),
        }
        module.log_dict({n: torch.tensor(v) for n, v in scores.items()}, sync_dist=False)
        self._scores = dict(scores)
        if miou > self.best:
            self.best = miou
            if trainer.is_global_zero:
                self._save(module.network, confusion, trainer.current_epoch + 1)

    def _save(self, network: SegmentationNetwork, confusion: ConfusionMatrix, epoch: int) -> None:
        scores = {
            "val_miou": float(confusion.mean_iou),
            "val_pixel_accuracy": float(confusion.pixel_accuracy),
        }
        scores |= {f"iou {n}": float(v) for n, v in zip(self._names, confusion.iou, strict=True)}
        # A copy, so that the network in training stays in its mode and on its device.
        self._copy.load_state_dict({k: v.cpu() for k, v in network.state_dict().items()})
        Checkpoint(self._card(scores, epoch), self._copy).save(self._folder.best)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Write the epoch's row.

        See :meth:`lightning.pytorch.Callback.on_train_epoch_end`.
        """
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "lr": sum(self._rates) / len(self._rates),
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
            write_atomically(self._folder.metrics, self._as_csv())
            self._listener.finished_epoch(row, self.best)

    def _as_csv(self) -> str:
        return to_csv(COLUMNS, ([_figure(row[name]) for name in COLUMNS] for row in self.rows))

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs."""
        return {"best": self.best, "rows": self.rows, "digest": self._digest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of the finished epochs.

        Raises
        ------
        TrainingError
            If the data have changed since.
        """
        if state_dict["digest"] != self._digest:
            raise TrainingError(
                "pictures or labels have changed since the training began",
                self._folder.path,
                "Start another run, in another folder.",
            )
        self.best, self.rows = state_dict["best"], list(state_dict["rows"])
        if is_main_process():
            # Whatever has become of the file, it is of these epochs again.
            write_atomically(self._folder.metrics, self._as_csv())


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"


def last_checkpoint(folder: RunFolder) -> ModelCheckpoint:
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
        super().__init__(
            "val_miou", mode="max", patience=validations, check_on_train_epoch_end=False
        )

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Stop a resumed run at once if it had stopped early before.

        See :meth:`lightning.pytorch.Callback.on_train_start`.
        """
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

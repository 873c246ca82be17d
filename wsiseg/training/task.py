"""The Lightning module of one stage: network, loss, optimiser, schedule and scores."""

from __future__ import annotations

import math
from collections.abc import Callable

import lightning.pytorch as lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from wsiseg.annotations.labels import IGNORED
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.normaliser import Normaliser
from wsiseg.models.tile_network import label_pixels
from wsiseg.training.deep_supervision import DeepSupervision
from wsiseg.training.metrics import ConfusionMatrix
from wsiseg.training.recipes.recipe import Stage
from wsiseg.training.sampling import Batch


class SegmentationTask(lightning.LightningModule):
    """Network, loss, optimiser and score of one stage.

    Parameters
    ----------
    network : SegmentationNetwork
        The network in training.
    normalisation : Normalisation
        From 8-bit pixels to its input.
    stage : Stage
        Optimiser, schedule and length.
    loss : Module
        Of logits and labels; the network says what its auxiliary logits weigh.
    steps_per_epoch : callable
        From the number of processes that share the work.
    seed : int
        Of what the network itself draws, such as dropout.
    frozen : Module, optional
        A part that is left as it is, batch norm included.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        normalisation: Normalisation,
        stage: Stage,
        loss: nn.Module,
        *,
        steps_per_epoch: Callable[[int], int],
        seed: int,
        frozen: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = DeepSupervision(loss, network.auxiliary_weight)
        self._stage = stage
        self._steps_per_epoch = steps_per_epoch
        self._seed = seed
        self._frozen = frozen
        self.normalise = Normaliser(normalisation)
        self.confusion = ConfusionMatrix(network.classes)
        self._loss_sum = torch.zeros(2)
        self._layout = torch.channels_last

    def on_fit_start(self) -> None:
        """Lay the weights out as the device convolves fastest."""
        low = self.trainer.precision == "bf16-mixed" and self.device.type == "cpu"
        # On CPUs, oneDNN's gradients of dilated bf16 convolutions are NaN with channels last.
        layout = torch.contiguous_format if low else torch.channels_last
        self.network.to(memory_format=layout)  # type: ignore[call-overload]
        self._layout = layout

    def _prepare(self, pixels: Tensor) -> Tensor:
        """Return the network's input for uint8 pixels ``(B, H, W, 3)``."""
        normalised: Tensor = self.normalise(pixels)
        return normalised.contiguous(memory_format=self._layout)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits for uint8 pixels ``(B, H, W, 3)``."""
        logits: Tensor = self.network(self._prepare(pixels))
        return logits

    def on_train_epoch_start(self) -> None:
        """Keep the frozen part from learning by its batch norms."""
        if self._frozen is not None:
            self._frozen.eval()

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        batch : tuple of Tensor
            uint8 ``(B, H, W, 3)`` and ``(B, H, W)``.
        number : int
            Index of the batch in its epoch.

        Returns
        -------
        Tensor
            The loss, a scalar.
        """
        # Drawn anew for each step, so that a resumed training draws what an unbroken one does.
        torch.manual_seed(self._seed + 1_000_003 * (self.global_step + 1))
        pixels, labels = batch
        outputs = self.network.supervised(self._prepare(pixels))
        loss: Tensor = self.loss(outputs, labels.long())
        self.log("train_loss", loss, on_step=True, on_epoch=True, batch_size=len(pixels))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Reset the confusion matrix and the loss."""
        self.confusion = ConfusionMatrix(self.network.classes)
        self._loss_sum = torch.zeros(2, device=self.device)

    def validation_step(self, batch: Batch, number: int) -> None:
        """Add a batch to the confusion matrix and the loss.

        Parameters
        ----------
        batch : tuple of Tensor
            uint8 ``(B, H, W, 3)`` and ``(B, H, W)``.
        number : int
            Index of the batch.
        """
        pixels, labels = batch
        outputs = self.network.supervised(self._prepare(pixels))
        counted = (labels != IGNORED).sum()
        self._loss_sum += torch.stack([self.loss(outputs, labels.long()) * counted, counted])
        logits = outputs[0] if outputs[0].shape[-2:] == labels.shape[-2:] else self(pixels)
        found = label_pixels(logits).cpu().numpy()
        for truth, predicted in zip(labels.cpu().numpy(), found, strict=True):
            self.confusion.add(truth, predicted)

    def gather_scores(self) -> tuple[ConfusionMatrix, float]:
        """Return the confusion, and the loss per annotated pixel, over all processes."""
        counts = torch.from_numpy(self.confusion.counts).to(self.device)
        strategy = self.trainer.strategy
        total = ConfusionMatrix(self.network.classes)
        total.counts[...] = strategy.reduce(counts, reduce_op="sum").cpu().numpy()
        weighted, pixels = strategy.reduce(self._loss_sum, reduce_op="sum").tolist()
        return total, weighted / pixels if pixels else math.nan

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return optimiser and schedule, which moves with every step."""
        stage = self._stage
        steps = self._steps_per_epoch(self.trainer.world_size)
        learning = [p for p in self.network.parameters() if p.requires_grad]
        optimiser: Optimizer = stage.optimiser(learning, stage.lr)

        def factor(step: int) -> float:
            return stage.factor(step / steps, stage.epochs)

        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": LambdaLR(optimiser, factor), "interval": "step"},
        }

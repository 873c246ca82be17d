"""Progress of a training, for those who show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
"""One epoch: the columns of ``metrics.csv``."""


class TrainingListener:
    """Receives the progress of a training, from the thread that trains; this one ignores it."""

    def began(self, stage: str) -> None:
        """Receive the name of a stage that may take a while, other than training itself."""

    def advanced(self, done: int, samples: int) -> None:
        """Receive how many samples are done.

        Parameters
        ----------
        done, samples : int
            Samples that are done, and all of them.
        """

    def noted(self, text: str) -> None:
        """Receive a note that is worth showing."""

    def warned(self, text: str) -> None:
        """Receive a warning: something was left out, repaired or assumed."""

    def expects(self, epochs: int, steps: int, elapsed: float) -> None:
        """Receive how long the stage will be, before its first step.

        Parameters
        ----------
        epochs, steps : int
            Epochs of the stage, and steps of each.
        elapsed : float
            Seconds that earlier sessions of a resumed run have taken.
        """

    def stepped(self, epoch: int, step: int, loss: float) -> None:
        """Receive the loss of a step.

        Parameters
        ----------
        epoch : int
            Index of the epoch, from 0.
        step : int
            Steps done in this epoch.
        loss : float
            Training loss of this step.
        """

    def finished_epoch(self, row: Row, best: float) -> None:
        """Receive the figures of a finished epoch.

        Parameters
        ----------
        row : mapping of str to float
            A row of ``metrics.csv``.
        best : float
            Best validation mean IoU so far.
        """

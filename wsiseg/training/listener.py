"""Progress of a training, for those who show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
"""One epoch: the columns of ``metrics.csv``."""


class TrainingListener:
    """Receives the progress of a training, from the thread that trains; this one ignores it."""

    def began(self, stage: str) -> None:
        """Hear that something began that may take a while, other than learning."""

    def advanced(self, done: int, samples: int) -> None:
        """Hear how many samples are done."""

    def noted(self, text: str) -> None:
        """Hear something that is worth knowing."""

    def warned(self, text: str) -> None:
        """Hear of something that was left out or assumed."""

    def expects(self, epochs: int, steps: int, elapsed: float) -> None:
        """Hear how many epochs there will be, of how many steps, and the seconds spent before."""

    def stepped(self, epoch: int, step: int, loss: float) -> None:
        """Hear the loss of one step."""

    def finished_epoch(self, row: Row, best: float) -> None:
        """Hear the figures of an epoch, and the best score so far."""

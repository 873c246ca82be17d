"""Prints the events of a training: one JSON object per line on stdout, for other programs."""

from __future__ import annotations

import time

from wsiseg.cli.option_names import name_options
from wsiseg.cli.printing import print_json_line
from wsiseg.training.listener import Row, TrainingListener

_PAUSE = 0.1
"""Least seconds between events of steps."""


def print_event(event: str, **content: object) -> None:
    """Print one event; NaN and infinity become null."""
    plain = {name: _finite(value) for name, value in content.items()}
    print_json_line({"event": event, **plain})


def _finite(value: object) -> object:
    if isinstance(value, float) and value - value != 0:
        return None
    return value


class EventTrainingListener(TrainingListener):
    """Prints every event of a training as JSON; see ``docs/training.md``."""

    def __init__(self) -> None:
        self._spoken = -_PAUSE

    def began(self, stage: str) -> None:
        """Print the name of a stage that may take a while."""
        print_event("stage", text=stage)

    def advanced(self, done: int, samples: int) -> None:
        """Print how many samples are done; see :class:`TrainingListener`."""
        if done == samples or self._is_due():
            print_event("samples", done=done, samples=samples)

    def noted(self, text: str) -> None:
        """Print a note."""
        print_event("note", text=name_options(text))

    def warned(self, text: str) -> None:
        """Print a warning."""
        print_event("warning", text=name_options(text))

    def expects(self, epochs: int, steps: int, elapsed: float) -> None:
        """Print the epochs and steps to do; see :class:`TrainingListener`."""
        print_event("plan", epochs=epochs, steps=steps, seconds=elapsed)

    def stepped(self, epoch: int, step: int, loss: float) -> None:
        """Print the loss of a step, now and then; see :class:`TrainingListener`."""
        if self._is_due():
            print_event("step", epoch=epoch + 1, step=step, loss=loss)

    def finished_epoch(self, row: Row, best: float) -> None:
        """Print the columns of ``metrics.csv`` for an epoch; see :class:`TrainingListener`."""
        print_event("epoch", **row, best_miou=None if row["val_miou"] is None else best)

    def stop(self) -> None:
        """Do nothing: there is no progress bar to remove."""

    def _is_due(self) -> bool:
        now = time.monotonic()
        due = now - self._spoken >= _PAUSE
        if due:
            self._spoken = now
        return due
